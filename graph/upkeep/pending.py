"""Filling in what was pending: features and annotations whose model was down, or did not exist yet, when a picture was
added; and when what could not be filled in is worth another try.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from deployments.pictures.prepared import PreparedPicture
from graph.ports.contract import AnnotatorPort, ExtractorPort, ShardPort
from graph.requests.decoding import Prepare, read_original
from storage.errors import Busy, DeadlineExceeded, ExtractorUnavailable, InvalidRequest, LookalikeError, Unavailable
from storage.operations.pending import PendingPictures
from storage.operations.pictures import Original
from storage.types.features import FeatureRows
from storage.types.mutations import FillFeatures
from storage.types.pictures import PendingImage

logger = logging.getLogger(__name__)
T = TypeVar("T")

PAGE = 32
LEASE = "filling pending features"
LEASE_RESERVE_S = 15.0  # for one picture: where it takes longer, another filler may go on, and this one stops
LONGEST_WAIT_S = 3600.0
CAPACITY = 10_000  # failures that are remembered


class FillKey(NamedTuple):
    """One feature or annotation of one picture by one model. model: its fingerprint."""

    image_id: str
    sha256: str
    name: str
    model: str


class FillFailures:
    """Tries come 1, 2, 4 ... rounds apart, at most ``longest_wait``. Of more than ``capacity`` failures the oldest are
    forgotten, and so tried in every round.
    """

    def __init__(self, *, longest_wait: int, capacity: int = CAPACITY) -> None:
        self._longest_wait = longest_wait
        self._capacity = capacity
        self._round = 0
        self._waits: dict[FillKey, tuple[int, int]] = {}  # rounds to wait, and the round of the next try

    def begin_round(self) -> None:
        self._round += 1

    def is_due(self, key: FillKey) -> bool:
        return self._round >= self._waits.get(key, (0, 0))[1]

    def note(self, key: FillKey) -> bool:
        """Whether it is the first failure."""
        known = self._waits.pop(key, None)
        wait = 1 if known is None else min(2 * known[0], self._longest_wait)
        self._waits[key] = (wait, self._round + wait)
        if len(self._waits) > self._capacity:
            del self._waits[next(iter(self._waits))]
        return known is None

    def forget(self, key: FillKey) -> None:
        self._waits.pop(key, None)

    def __len__(self) -> int:
        return len(self._waits)


class PendingFeatures:
    """Looks for what is pending, shard by shard, and computes that whose model is back. Of several that run, the one
    with the lease of the first shard works. An index that is being built for another model is not its affair: the job
    that builds it has models of its own.
    """

    def __init__(
        self,
        *,
        extractors: Mapping[str, ExtractorPort],
        annotators: Mapping[str, AnnotatorPort] | None = None,
        shards: Sequence[ShardPort],
        prepare: Prepare,
        timeout_s: float,
        interval_s: float = 30.0,
    ) -> None:
        """interval_s: pause between rounds."""
        self._extractors = extractors
        self._annotators = {name: port for name, port in (annotators or {}).items() if port.is_stored}
        self._shards = shards
        self._prepare = prepare
        self._timeout_s = timeout_s
        self._holder = uuid.uuid4().hex
        self._lease_s = interval_s + LEASE_RESERVE_S  # kept from round to round, and what failed is remembered with it
        self._failures = FillFailures(longest_wait=max(1, round(LONGEST_WAIT_S / interval_s)))

    async def fill(self) -> int:
        """One round over every shard; the number of features and annotations filled in. A part that is down is left for
        the next round.
        """
        ready = await self._ready()  # asked without the lease, too: a port learns from it what its model needs
        if not ready or not await self._has_lease():
            return 0
        self._failures.begin_round()
        return sum([await self._fill_shard(shard, ready) for shard in self._shards])

    async def _ready(self) -> dict[str, str]:
        """The parts that answer now, with the fingerprints of their models."""
        ready = {}
        for name, extractor in self._extractors.items():
            state, spec = (await extractor.status()).state, extractor.served.spec
            if state == "ready" and spec is not None:
                ready[name] = spec.fingerprint
        for name, annotator in self._annotators.items():
            status = await annotator.status()
            if status.state == "ready":
                ready[name] = status.version or ""
        return ready

    async def _has_lease(self) -> bool:
        """Takes or renews it. Nobody has it while the first shard is down."""
        try:
            return await self._shards[0].lease(LEASE, self._holder, self._lease_s, timeout_s=self._timeout_s)
        except (Unavailable, DeadlineExceeded):
            return False

    async def _fill_shard(self, shard: ShardPort, ready: Mapping[str, str]) -> int:
        wanted = {name: model if name in self._extractors else "" for name, model in ready.items()}
        filled = 0
        start: int | None = 0
        try:
            while start is not None and await self._has_lease():
                page = await shard.ask(PendingPictures(wanted, start, PAGE), timeout_s=self._timeout_s)
                for image in page.images:
                    due = self._due(image, ready)
                    if due and not await self._has_lease():
                        return filled
                    filled += await self._fill_image(shard, image, due) if due else 0
                start = page.next_start
        except (Unavailable, DeadlineExceeded) as failure:
            logger.info("shard %d is left for the next round: %s", shard.index, failure)
        return filled

    def _due(self, image: PendingImage, ready: Mapping[str, str]) -> dict[str, FillKey]:
        """What the image waits for, of the very models that answer now, but for what failed a short while ago."""
        keys = {
            name: FillKey(image.id, image.sha256, name, model)
            for name, model in ready.items()
            if name in image.features and (name in self._annotators or model in image.fingerprints.get(name, ()))
        }
        return {name: key for name, key in keys.items() if self._failures.is_due(key)}

    async def _fill_image(self, shard: ShardPort, image: PendingImage, due: Mapping[str, FillKey]) -> int:
        prepared = await self._prepared(shard, image, due)
        if prepared is None:
            return 0
        extractors = [port for name, port in self._extractors.items() if name in due]
        annotators = [port for name, port in self._annotators.items() if name in due]
        rows = await asyncio.gather(*(self._tried(self._extract(one, prepared), due[one.name]) for one in extractors))
        features = {port.name: row for port, row in zip(extractors, rows, strict=True) if row is not None}
        said = await asyncio.gather(
            *(
                self._tried(one.annotate(prepared, features, timeout_s=self._timeout_s), due[one.name])
                for one in annotators
            )
        )
        annotations = {port.name: one for port, one in zip(annotators, said, strict=True) if one is not None}
        if not features and not annotations:
            return 0
        fill = FillFeatures(uuid.uuid4().hex, image.id, image.sha256, features, annotations)
        try:
            await shard.apply(fill, timeout_s=self._timeout_s)
        except InvalidRequest as refusal:
            self._failed([due[name] for name in (*features, *annotations)], refusal)
            return 0
        for name in (*features, *annotations):
            self._failures.forget(due[name])
        return len(features) + len(annotations)

    async def _prepared(
        self, shard: ShardPort, image: PendingImage, due: Mapping[str, FillKey]
    ) -> PreparedPicture | None:
        """None where its bytes are gone or cannot be decoded any more. Raises what the shard raises."""
        inputs = [port.served.image_input for name, port in self._extractors.items() if name in due]
        inputs += [port.image_input for name, port in self._annotators.items() if name in due]
        try:
            if image.source is None:
                data = await shard.ask(Original(image.id), timeout_s=self._timeout_s)
            else:
                data = await asyncio.to_thread(read_original, image.source.path, image.sha256)
            if data is None:  # deleted or filled in meanwhile
                return None
            return await self._prepare(data, inputs)
        except (Unavailable, DeadlineExceeded):
            raise
        except Exception as failure:  # whatever is wrong with one picture, the others behind it have their turn
            self._failed(due.values(), failure)
            return None

    async def _extract(self, port: ExtractorPort, prepared: PreparedPicture) -> FeatureRows | None:
        want = port.served.image_input
        if want is None or want not in prepared.forms:
            return None
        return await port.extract(prepared.forms[want], timeout_s=self._timeout_s)

    async def _tried(self, call: Awaitable[T], key: FillKey) -> T | None:
        try:
            return await call
        except LookalikeError as failure:
            self._failed([key], failure)
            return None

    def _failed(self, keys: Iterable[FillKey], failure: Exception) -> None:
        """Remembered, but where the part itself is away: every picture is tried again when it is back."""
        for key in keys:
            away = isinstance(failure, Busy | ExtractorUnavailable)
            level = logging.WARNING if not away and self._failures.note(key) else logging.DEBUG
            logger.log(level, "%s of the picture %r stays pending: %s", key.name, key.image_id, failure)

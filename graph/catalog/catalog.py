"""The catalogue: what the service does, in terms of extractors and shards, wherever those run.

Plain asyncio over `graph.ports.contract`. A picture is decoded once, off the event loop, into the working image; each
extractor is given the form of it that it declares; each shard is asked once for all features together. A part that
fails or is late is named in the answer and never shown as "no matches".
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from deployments.extractor import Annotation, ImageInput
from deployments.pictures.decode_cost import decodes_quickly
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import PreparedPicture, prepare_picture
from graph.catalog.add_features import add_features, extracted, refuse_stored, stored_with
from graph.catalog.image_ids import check_image_id
from graph.catalog.messages import (
    AddAnswer,
    AddFeaturesRequest,
    AddRequest,
    FeatureReport,
    ImagePage,
    Readiness,
    SearchAnswer,
    SearchRequest,
    ServiceStats,
    TrainingAnswer,
)
from graph.catalog.original_file import read_original
from graph.catalog.put_image import put_image
from graph.catalog.query_rows import Prepare, asked_ports, is_vector_feature
from graph.catalog.reports import feature_reports, readiness, service_stats
from graph.catalog.search import SearchRun
from graph.catalog.training import train_shards, train_whitening
from graph.duplicates.pages import FEATURE, DuplicatePage, DuplicateWalk
from graph.ports.batching import all_of
from graph.ports.contract import AnnotatorPort, ExtractorPort, ExtractorStatus, JobPort, ShardPort
from storage.errors import (
    Busy,
    DeadlineExceeded,
    ExtractorFailed,
    ExtractorUnavailable,
    ImageExists,
    ImageNotFound,
    InvalidField,
    InvalidRequest,
    LookalikeError,
    NotFound,
    ShardUnavailable,
    Unavailable,
    UnknownFeature,
)
from storage.shard.placement import shard_of
from storage.types.features import FeatureRows
from storage.types.mutations import DeleteImage, Mutation, MutationResult, RemoveFeatures
from storage.types.pictures import ImageRecord
from storage.types.reports import ShardStats, VerifyReport

T = TypeVar("T")

MODEL_PATIENCE_S = 90.0  # for which models that load keep the service from being ready, at its start


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. write_s also bounds the retries of a write whose shard was restarting. add_s: for all that an added
    picture is computed of; what is late is pending, so that time for the write is left.
    """

    search_s: float = 10.0
    extractor_s: float = 10.0
    annotator_s: float = 25.0
    add_s: float = 20.0
    shard_s: float = 10.0
    write_s: float = 25.0
    verify_s: float = 3600.0
    train_s: float = 3600.0


class CatalogMetrics(Protocol):
    """Where timings go."""

    def extractor_seconds(self, feature: str, seconds: float) -> None: ...

    def shard_seconds(self, shard: int, seconds: float) -> None: ...

    def image_bytes(self, count: int) -> None: ...


class NoMetrics:
    """Drops every timing."""

    def extractor_seconds(self, feature: str, seconds: float) -> None: ...

    def shard_seconds(self, shard: int, seconds: float) -> None: ...

    def image_bytes(self, count: int) -> None: ...


class Catalog:
    """Adds, deletes, finds and describes pictures."""

    def __init__(
        self,
        *,
        extractors: Mapping[str, ExtractorPort],
        annotators: Mapping[str, AnnotatorPort] | None = None,
        shards: Sequence[ShardPort],
        jobs: JobPort,
        decoders: Executor,
        decode_limits: DecodeLimits,
        timeouts: Timeouts,
        max_results: int = 1000,
        default_weights: Mapping[str, float] | None = None,
        keeps_originals: bool = False,
        metrics: CatalogMetrics | None = None,
    ) -> None:
        """keeps_originals: of uploads, for models that come later."""
        self.jobs = jobs
        self._extractors = dict(extractors)
        self._annotators = dict(annotators or {})
        self._stored_annotators = {name: port for name, port in self._annotators.items() if port.is_stored}
        self._keeps_originals = keeps_originals
        self._started = time.monotonic()
        self._was_ready = False
        self._shards = tuple(shards)
        self._decoders = decoders
        self._decode_limits = decode_limits
        self._timeouts = timeouts
        self._max_results = max_results
        self._default_weights = default_weights or {}
        self._metrics: CatalogMetrics = metrics or NoMetrics()

    # -- one image ---------------------------------------------------------------------------------------------------

    async def add(self, request: AddRequest) -> AddAnswer:
        """Stores a picture with every feature that could be computed; the others are pending.

        Raises ImageExists for a taken id unless told to skip or replace, an UnreadableImage, or ShardUnavailable.
        """
        if request.id is not None:
            check_image_id(request.id)
        prepared = await self.prepare(request.image, self._inputs(), with_thumbnail=True)
        features, annotations = await self._computed(prepared)
        put = put_image(
            prepared.facts,
            features,
            annotations=annotations,
            image_id=request.id if request.id is not None else prepared.facts.sha256,
            operation_id=request.operation_id or uuid.uuid4().hex,
            asked=[*self._extractors, *self._stored_annotators],
            on_conflict=request.on_conflict,
            metadata=request.metadata,
            original=request.image,
            keeps_original=self._keeps_originals,
        )
        result = await self._write(put.record.id, put)
        if result.outcome == "conflict" or result.record is None:
            raise ImageExists(
                f"an image with the id {put.record.id!r} exists already",
                "send on_conflict=replace to replace it, or another id",
            )
        return AddAnswer(result.outcome, result.record)

    async def add_features(self, request: AddFeaturesRequest) -> AddAnswer:
        """Stores these features of a picture and no other, whether it is stored already or not.

        Raises ImageExists where it has one of them or is another picture, UnknownFeature, an UnreadableImage,
        ShardUnavailable; where one cannot be computed ExtractorUnavailable and the like, and then stores nothing.
        """
        check_image_id(request.id)
        ports = asked_ports(self._extractors, request.features)
        timeouts = self._timeouts
        [record] = await self._shard_of(request.id).records([request.id], timeout_s=timeouts.shard_s)
        refuse_stored(record, request.features)
        inputs = {port.served.image_input for port in ports}
        prepared = await self.prepare(request.image, {one for one in inputs if one is not None}, with_thumbnail=True)
        features = await extracted(ports, prepared, timeout_s=timeouts.extractor_s)
        mutation = add_features(request, prepared, features, keeps_original=self._keeps_originals)
        result = await self._write(request.id, mutation)
        return AddAnswer(result.outcome, stored_with(result, request))

    async def remove_features(self, image_id: str, features: Sequence[str]) -> None:
        """With the last one goes the picture. Raises ImageNotFound where it has none of them, UnknownFeature."""
        asked_ports(self._extractors, features)
        result = await self._write(image_id, RemoveFeatures(uuid.uuid4().hex, image_id, tuple(features)))
        if result.outcome == "absent":
            raise image_not_found(image_id)

    async def ids_of_file_name(self, name: str) -> list[str]:
        """Of the pictures whose metadata has this ``file_name``. Raises ShardUnavailable."""
        found = await asyncio.gather(
            *(shard.ids_of_file_name(name, timeout_s=self._timeouts.shard_s) for shard in self._shards)
        )
        return sorted(image_id for ids in found for image_id in ids)

    async def get(self, image_id: str) -> ImageRecord:
        """Raises ImageNotFound."""
        [record] = await self._shard_of(image_id).records([image_id], timeout_s=self._timeouts.shard_s)
        if record is None:
            raise image_not_found(image_id)
        return record

    async def delete(self, image_id: str) -> None:
        """Raises ImageNotFound."""
        result = await self._write(image_id, DeleteImage(uuid.uuid4().hex, image_id))
        if result.outcome == "absent":
            raise image_not_found(image_id)

    async def thumbnail(self, image_id: str) -> bytes:
        """JPEG bytes. Raises ImageNotFound, also for a picture that was stored without its file."""
        jpeg = await self._shard_of(image_id).thumbnail(image_id, timeout_s=self._timeouts.shard_s)
        if jpeg is None:
            raise image_not_found(image_id)
        if not jpeg:
            raise ImageNotFound(
                f"the image {image_id!r} was stored without its file", "import it again with --photos, or add the file"
            )
        return jpeg

    async def original(self, image_id: str) -> tuple[bytes, str]:
        """The file that the picture was indexed from, or that was uploaded and kept, and its format. Raises
        ImageNotFound where there is none to read.
        """
        record = await self.get(image_id)
        source = record.source
        if source is None:
            kept = await self._shard_of(image_id).original(image_id, timeout_s=self._timeouts.shard_s)
            if kept is None:
                raise ImageNotFound(
                    f"the service keeps no original file of {image_id!r}",
                    "images indexed from files have one, and uploads while something is pending or with keep_uploads",
                )
            return kept, record.format
        try:
            data = await self._off_loop(lambda: read_original(source.path, record.sha256))
        except OSError as gone:
            raise ImageNotFound(
                f"the original file of {image_id!r} cannot be read any more", "index its folder again"
            ) from gone
        return data, record.format

    async def annotate(self, annotator: str, image: bytes) -> Annotation:
        """What an annotator says of a picture. Raises NotFound for one that is not configured, an UnreadableImage,
        ExtractorUnavailable.
        """
        port = self._annotators.get(annotator)
        if port is None:
            hint = "list it under args.annotators in the configuration"
            raise NotFound(f"no annotator {annotator!r} is configured", hint)
        status = await port.status()
        if status.state != "ready" or port.image_input is None:
            failure = ExtractorUnavailable if status.state == "unavailable" else ExtractorFailed
            raise failure(f"the annotator {annotator!r} is {status.state}: {status.reason}", "")
        prepared = await self.prepare(image, {port.image_input})
        return await port.annotate(prepared, {}, timeout_s=self._timeouts.annotator_s)

    # -- many images -------------------------------------------------------------------------------------------------

    async def page(self, after: str | None, limit: int) -> ImagePage:
        """Images in the byte order of their ids. Raises ShardUnavailable rather than skip a shard's images."""
        pages = await asyncio.gather(
            *(shard.page(after, limit + 1, timeout_s=self._timeouts.shard_s) for shard in self._shards)
        )
        rows = sorted((row for page in pages for row in page), key=lambda row: row.id.encode())
        cursor = rows[limit - 1].id if len(rows) > limit else None
        return ImagePage(tuple(rows[:limit]), cursor)

    async def search(self, request: SearchRequest) -> SearchAnswer:
        """Raises InvalidField, UnknownFeature, UnreadableImage, ImageNotFound; DeadlineExceeded when nothing answered
        in time.
        """
        return await self._search_run(request, self.prepare).answer()

    async def search_each(self, requests: Sequence[SearchRequest]) -> list[SearchAnswer | LookalikeError]:
        """Searches side by side, in the order of the requests; a picture that several have is decoded once.

        A search that fails has its failure for an answer. Raises InvalidRequest and its kinds, as `search` does.
        """
        names = {name for request in requests for name in request.features or self._extractors}
        wanted = {port.served.image_input for name, port in self._extractors.items() if name in names}
        inputs = {one for one in wanted if one is not None}
        pictures = {request.image for request in requests if request.image is not None}
        prepared = {image: await self.prepare(image, inputs) for image in pictures}

        async def prepare(data: bytes, _inputs: set[ImageInput], /) -> PreparedPicture:
            return prepared[data]

        async def one(request: SearchRequest) -> SearchAnswer | LookalikeError:
            try:
                return await self._search_run(request, prepare).answer()
            except InvalidRequest:
                raise
            except LookalikeError as failure:
                return failure

        return await all_of([one(request) for request in requests])

    async def duplicates(self, cursor: str | None, limit: int, *, max_distance: int) -> DuplicatePage:
        """Up to ``limit`` groups of the same picture. Raises UnknownFeature where there are no hashes, and as
        `DuplicateWalk.page`.
        """
        if FEATURE not in self._extractors:
            hint = f"add {FEATURE} to args.extractors in the configuration"
            raise UnknownFeature(f"duplicates are found by {FEATURE}, which this service does not compute", hint)
        walk = DuplicateWalk(self._shards, max_distance=max_distance, shard_timeout_s=self._timeouts.shard_s)
        return await walk.page(cursor, limit)

    # -- the service -------------------------------------------------------------------------------------------------

    async def features(self) -> list[FeatureReport]:
        statuses = await self._statuses()
        stats, _ = await self._shard_stats()
        return feature_reports(statuses, stats)

    async def stats(self) -> ServiceStats:
        stats, missing = await self._shard_stats()
        return service_stats(stats, missing)

    async def verify(self) -> list[VerifyReport]:
        """Compares the store with every index, shard by shard. Slow on large collections: reads everything."""
        return list(await asyncio.gather(*(shard.verify(timeout_s=self._timeouts.verify_s) for shard in self._shards)))

    async def train(self, feature: str) -> TrainingAnswer:
        """Trains the index of a feature in all shards at once: the lists of keypoints, the whitening of a model's
        vectors. Searches and writes go on meanwhile.

        Raises UnknownFeature, InvalidRequest where no shard has anything to train, ShardUnavailable.
        """
        port = self._extractors.get(feature)
        if port is not None and is_vector_feature(port):
            return await train_whitening(self._shards, port, timeout_s=self._timeouts.train_s)
        return await train_shards(self._shards, feature, timeout_s=self._timeouts.train_s)

    async def readiness(self) -> Readiness:
        """Ready when every shard answers and at least one extractor does. Models that are loading are waited for at the
        start, and not for ever.
        """
        statuses, (_, missing) = await asyncio.gather(self._statuses(), self._shard_stats(timeout_s=2.0))
        waits_for = None
        if self._was_ready or time.monotonic() - self._started > MODEL_PATIENCE_S:
            waits_for = {name for name, port in self._extractors.items() if not port.is_late}
        found = readiness(statuses, missing, waits_for=waits_for)
        self._was_ready = self._was_ready or found.ready
        return found

    # -- inside ------------------------------------------------------------------------------------------------------

    def _search_run(self, request: SearchRequest, prepare: Prepare) -> SearchRun:
        if request.id is not None:
            check_image_id(request.id)
        if request.k > self._max_results:
            raise InvalidField(
                f"k is {request.k}, the limit is {self._max_results}", f"ask for 1 to {self._max_results} results"
            )
        return SearchRun(
            request=request,
            extractors=self._extractors,
            shards=self._shards,
            home=None if request.id is None else self._shard_of(request.id),
            prepare=prepare,
            timeouts=self._timeouts,
            metrics=self._metrics,
            default_weights=self._default_weights,
        )

    async def prepare(self, data: bytes, inputs: set[ImageInput], *, with_thumbnail: bool = False) -> PreparedPicture:
        """Decodes once and makes each form that is asked for; off the event loop unless that is certain to be quick."""
        self._metrics.image_bytes(len(data))
        work = partial(prepare_picture, data, inputs, self._decode_limits, with_thumbnail=with_thumbnail)
        return work() if decodes_quickly(data) else await self._off_loop(work)

    async def _off_loop(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._decoders, work)

    def _inputs(self) -> set[ImageInput]:
        """The forms that an added picture is needed in, as far as the models that want them are there."""
        wanted = [port.served.image_input for port in self._extractors.values()]
        wanted += [port.image_input for port in self._stored_annotators.values()]
        return {one for one in wanted if one is not None}

    async def _computed(self, prepared: PreparedPicture) -> tuple[dict[str, FeatureRows], dict[str, Annotation]]:
        """What could be computed within the time for it: annotators with a model of their own beside the extractors,
        those that go by features after them.
        """
        deadline = time.monotonic() + self._timeouts.add_s
        own = [port for port in self._stored_annotators.values() if not port.needs_features]
        features, said = await asyncio.gather(
            self._extract_all(prepared), self._annotate_all(own, prepared, {}, deadline)
        )
        rest = [port for port in self._stored_annotators.values() if port.needs_features]
        return features, {**said, **await self._annotate_all(rest, prepared, features, deadline)}

    async def _extract_all(self, prepared: PreparedPicture) -> dict[str, FeatureRows]:
        """By name; a feature whose extractor is down or late is left out: it will be pending."""

        async def one(name: str, port: ExtractorPort) -> tuple[str, FeatureRows | None]:
            started = time.perf_counter()
            want = port.served.image_input
            if want is None or want not in prepared.forms:  # no model, or one that has just come
                return name, None
            try:
                with port.caller():
                    rows = await port.extract(prepared.forms[want], timeout_s=self._timeouts.extractor_s)
            except (Unavailable, DeadlineExceeded, Busy):
                return name, None
            self._metrics.extractor_seconds(name, time.perf_counter() - started)
            return name, rows

        found = await asyncio.gather(*(one(name, port) for name, port in self._extractors.items()))
        return {name: rows for name, rows in found if rows is not None}

    async def _annotate_all(
        self,
        ports: Sequence[AnnotatorPort],
        prepared: PreparedPicture,
        features: Mapping[str, FeatureRows],
        deadline: float,
    ) -> dict[str, Annotation]:
        """By annotator; one that is down or late is left out: it will be pending."""

        async def one(port: AnnotatorPort) -> Annotation | None:
            timeout_s = max(0.1, min(self._timeouts.annotator_s, deadline - time.monotonic()))
            try:
                return await port.annotate(prepared, features, timeout_s=timeout_s)
            except (Unavailable, DeadlineExceeded, Busy):
                return None

        said = await asyncio.gather(*(one(port) for port in ports))
        return {port.name: words for port, words in zip(ports, said, strict=True) if words is not None}

    async def _write(self, image_id: str, mutation: Mutation) -> MutationResult:
        """Retries while the shard restarts: the operation id makes a repeated write a no-op, whether or not the first
        one got through.
        """
        shard = self._shard_of(image_id)
        deadline = time.monotonic() + self._timeouts.write_s
        pause_s = 0.1
        while True:
            try:
                return await shard.apply(mutation, timeout_s=max(0.1, deadline - time.monotonic()))
            except ShardUnavailable:
                if time.monotonic() + pause_s > deadline:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(1.0, pause_s * 2)

    def _shard_of(self, image_id: str) -> ShardPort:
        return self._shards[shard_of(image_id, len(self._shards))]

    async def _statuses(self) -> list[ExtractorStatus]:
        ports: list[ExtractorPort | AnnotatorPort] = [*self._extractors.values(), *self._annotators.values()]
        return list(await asyncio.gather(*(port.status() for port in ports)))

    async def _shard_stats(self, timeout_s: float | None = None) -> tuple[list[ShardStats], list[int]]:
        async def one(shard: ShardPort) -> ShardStats | None:
            try:
                return await shard.stats(timeout_s=timeout_s or self._timeouts.shard_s)
            except LookalikeError:
                return None

        found = await asyncio.gather(*(one(shard) for shard in self._shards))
        missing = [shard.index for shard, stats in zip(self._shards, found, strict=True) if stats is None]
        return [stats for stats in found if stats is not None], missing


def image_not_found(image_id: str) -> ImageNotFound:
    return ImageNotFound(f"no image has the id {image_id!r}", "GET /v1/images lists the ids")

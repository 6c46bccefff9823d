"""Filling in what was pending: features and annotations whose model was down, or did not exist yet, when a picture was
added.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence

from deployments.extractor import Annotation, ImageInput
from deployments.prepared import PreparedPicture
from graph.original_file import read_original
from graph.ports import AnnotatorPort, ExtractorPort, ShardPort
from storage.errors import LookalikeError, Unavailable, UnreadableImage
from storage.types import FeatureRows, FillFeatures, PendingImage

logger = logging.getLogger(__name__)

Prepare = Callable[[bytes, set[ImageInput]], Awaitable[PreparedPicture]]
PAGE = 32


class PendingFeatures:
    """Looks for what is pending, shard by shard, and computes that whose model is back. An index that is being built
    for another model is not its affair: the job that builds it has models of its own.
    """

    def __init__(
        self,
        *,
        extractors: Mapping[str, ExtractorPort],
        annotators: Mapping[str, AnnotatorPort] | None = None,
        shards: Sequence[ShardPort],
        prepare: Prepare,
        timeout_s: float,
    ) -> None:
        self._extractors = extractors
        self._annotators = {name: port for name, port in (annotators or {}).items() if port.is_stored}
        self._shards = shards
        self._prepare = prepare
        self._timeout_s = timeout_s

    async def fill(self) -> int:
        """One round over every shard; the number of features and annotations filled in. A part that is down is left for
        the next round.
        """
        ports: dict[str, ExtractorPort | AnnotatorPort] = {**self._extractors, **self._annotators}
        ready = {name for name, port in ports.items() if (await port.status()).state == "ready"}
        if not ready:
            return 0
        return sum([await self._fill_shard(shard, ready) for shard in self._shards])

    async def _fill_shard(self, shard: ShardPort, ready: set[str]) -> int:
        filled, after = 0, None
        while True:
            try:
                waiting = await shard.pending(after, PAGE, timeout_s=self._timeout_s)
                for image in waiting:
                    filled += await self._fill_image(shard, image, ready)
            except Unavailable:
                return filled
            if len(waiting) < PAGE:
                return filled
            after = waiting[-1].id

    async def _fill_image(self, shard: ShardPort, image: PendingImage, ready: set[str]) -> int:
        extractors = [port for name, port in self._extractors.items() if name in ready and _waits_for(image, port)]
        annotators = [port for name, port in self._annotators.items() if name in ready and name in image.features]
        inputs = {port.served.image_input for port in extractors} | {port.image_input for port in annotators}
        data = await asyncio.to_thread(_bytes_of, image) if extractors or annotators else None
        if data is None:
            return 0
        try:
            prepared = await self._prepare(data, {one for one in inputs if one is not None})
        except UnreadableImage as failure:
            logger.warning("the stored picture %r cannot be decoded any more: %s", image.id, failure)
            return 0
        rows = await asyncio.gather(*(self._extract(port, prepared) for port in extractors))
        features = {port.name: row for port, row in zip(extractors, rows, strict=True) if row is not None}
        said = await asyncio.gather(*(self._annotate(port, prepared, features) for port in annotators))
        annotations = {port.name: one for port, one in zip(annotators, said, strict=True) if one is not None}
        if features or annotations:
            fill = FillFeatures(uuid.uuid4().hex, image.id, image.sha256, features, annotations)
            await shard.apply(fill, timeout_s=self._timeout_s)
        return len(features) + len(annotations)

    async def _extract(self, port: ExtractorPort, prepared: PreparedPicture) -> FeatureRows | None:
        want = port.served.image_input
        if want is None or want not in prepared.forms:
            return None
        try:
            return await port.extract(prepared.forms[want], timeout_s=self._timeout_s)
        except LookalikeError as failure:
            logger.info("%s stays pending: %s", port.name, failure)
            return None

    async def _annotate(
        self, port: AnnotatorPort, prepared: PreparedPicture, features: Mapping[str, FeatureRows]
    ) -> Annotation | None:
        try:
            return await port.annotate(prepared, features, timeout_s=self._timeout_s)
        except LookalikeError as failure:
            logger.info("%s stays pending: %s", port.name, failure)
            return None


def _waits_for(image: PendingImage, port: ExtractorPort) -> bool:
    """Whether the image lacks the rows of the very model that answers now."""
    wanted = image.fingerprints.get(port.name, ())
    spec = port.served.spec
    return port.name in image.features and (not wanted or (spec is not None and spec.fingerprint in wanted))


def _bytes_of(image: PendingImage) -> bytes | None:
    if image.original is not None:
        return image.original
    if image.source is None:
        return None
    try:
        return read_original(image.source.path, image.sha256)
    except OSError:
        return None

"""Filling in what was pending: features whose extractor was down, or did not exist yet, when a picture was added."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence

from deployments.extractor import ImageInput
from deployments.prepared import PreparedPicture
from graph.original_file import read_original
from graph.ports import ExtractorPort, ShardPort
from storage.errors import LookalikeError, Unavailable, UnreadableImage
from storage.types import FeatureRows, FillFeatures, PendingImage

logger = logging.getLogger(__name__)

Prepare = Callable[[bytes, set[ImageInput]], Awaitable[PreparedPicture]]
PAGE = 32


class PendingFeatures:
    """Looks for pending features, shard by shard, and computes those whose extractor is back."""

    def __init__(
        self,
        *,
        extractors: Mapping[str, ExtractorPort],
        shards: Sequence[ShardPort],
        prepare: Prepare,
        timeout_s: float,
    ) -> None:
        self._extractors = extractors
        self._shards = shards
        self._prepare = prepare
        self._timeout_s = timeout_s

    async def fill(self) -> int:
        """One round over every shard; the number of features filled in. A part that is down is left for the next
        round.
        """
        ready = {name for name, port in self._extractors.items() if (await port.status()).state == "ready"}
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
        wanted = [self._extractors[name] for name in image.features if name in ready]
        data = await asyncio.to_thread(_bytes_of, image)
        if not wanted or data is None:
            return 0
        try:
            prepared = await self._prepare(data, {port.image_input for port in wanted})
        except UnreadableImage as failure:
            logger.warning("the stored picture %r cannot be decoded any more: %s", image.id, failure)
            return 0
        rows = await asyncio.gather(*(self._extract(port, prepared) for port in wanted))
        features = {port.name: row for port, row in zip(wanted, rows, strict=True) if row is not None}
        if features:
            fill = FillFeatures(uuid.uuid4().hex, image.id, image.sha256, features)
            await shard.apply(fill, timeout_s=self._timeout_s)
        return len(features)

    async def _extract(self, port: ExtractorPort, prepared: PreparedPicture) -> FeatureRows | None:
        try:
            return await port.extract(prepared.forms[port.image_input], timeout_s=self._timeout_s)
        except LookalikeError as failure:
            logger.info("%s stays pending: %s", port.name, failure)
            return None


def _bytes_of(image: PendingImage) -> bytes | None:
    if image.original is not None:
        return image.original
    if image.source is None:
        return None
    try:
        return read_original(image.source.path, image.sha256)
    except OSError:
        return None

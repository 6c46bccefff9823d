"""Decoding the pictures of requests: once each, and off the event loop unless that is certain to be quick."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import TypeVar

from deployments.extractor import ImageInput
from deployments.pictures.images import DecodeLimits, decodes_quickly
from deployments.pictures.prepared import PreparedPicture, prepare_picture
from graph.requests.timing import CatalogMetrics

T = TypeVar("T")
Prepare = Callable[[bytes, Iterable[ImageInput | None]], Awaitable[PreparedPicture]]  # raises an `UnreadableImage`


class Decoding:
    """decoders: threads for pictures that take a while, and for reading files."""

    def __init__(self, decoders: Executor, limits: DecodeLimits, metrics: CatalogMetrics | None = None) -> None:
        self._decoders = decoders
        self._limits = limits
        self._metrics = metrics or CatalogMetrics()

    async def prepare(
        self, data: bytes, inputs: Iterable[ImageInput | None], *, with_thumbnail: bool = False
    ) -> PreparedPicture:
        """Decodes once and makes each form that is asked for; None is that of a part whose model is not there. Raises
        an `UnreadableImage`.
        """
        self._metrics.image_bytes(len(data))
        wanted = {one for one in inputs if one is not None}
        work = partial(prepare_picture, data, wanted, self._limits, with_thumbnail=with_thumbnail)
        return work() if decodes_quickly(data) else await self.off_loop(work)

    async def off_loop(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._decoders, work)


def read_original(path: str, sha256: str) -> bytes:
    """The bytes of the file that a picture was indexed from. Raises OSError when it is gone or holds another by now."""
    data = Path(path).read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise FileNotFoundError(f"{path} is not the picture that was indexed any more")
    return data

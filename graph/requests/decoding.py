"""Decoding the pictures of requests: once each, and off the event loop unless that is certain to be quick."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Protocol, TypeVar

from deployments.extractor import ImageInput
from deployments.pictures.decode_cost import decodes_quickly
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import PreparedPicture, prepare_picture
from graph.requests.timing import CatalogMetrics, NoMetrics

T = TypeVar("T")


class Prepare(Protocol):
    """Raises an `UnreadableImage`."""

    async def __call__(self, data: bytes, inputs: set[ImageInput], /) -> PreparedPicture: ...


class Decoding:
    """decoders: threads for pictures that take a while, and for reading files."""

    def __init__(self, decoders: Executor, limits: DecodeLimits, metrics: CatalogMetrics | None = None) -> None:
        self._decoders = decoders
        self._limits = limits
        self._metrics: CatalogMetrics = metrics or NoMetrics()

    async def prepare(self, data: bytes, inputs: set[ImageInput], *, with_thumbnail: bool = False) -> PreparedPicture:
        """Decodes once and makes each form that is asked for. Raises an `UnreadableImage`."""
        self._metrics.image_bytes(len(data))
        work = partial(prepare_picture, data, inputs, self._limits, with_thumbnail=with_thumbnail)
        return work() if decodes_quickly(data) else await self.off_loop(work)

    async def off_loop(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._decoders, work)

"""The catalogue's seams within one process: the same contract as the ports over Ray, without Ray. For tests and for
tools that embed the catalogue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar, cast

from deployments.extractor import Pixels, QueryViews
from deployments.extractors.registry import create_extractor
from deployments.profile import ExtractorProfile
from graph.ports import ExtractorStatus
from storage.errors import DeadlineExceeded
from storage.shard import Shard
from storage.types import (
    FeatureRows,
    ImageRecord,
    Mutation,
    MutationResult,
    PendingImage,
    ShardAnswer,
    ShardQuery,
    ShardStats,
    TrainingReport,
    Vectors,
    VerifyReport,
)

T = TypeVar("T")


class LocalExtractorPort:
    """An extractor in this process."""

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name = name
        self._extractor = create_extractor(name, options)
        self._profile = ExtractorProfile(name, options)
        self.spec = self._profile.spec
        self.image_input = self._profile.image_input
        self.embeds_text = self._profile.embeds_text

    def caller(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def extract(self, image: Pixels, *, timeout_s: float) -> FeatureRows:
        return (await in_thread(lambda: self._extractor.extract([image]), timeout_s))[0]

    async def query_views(self, image: Pixels, params: Mapping[str, Any], *, timeout_s: float) -> FeatureRows:
        extractor = self._extractor
        if isinstance(extractor, QueryViews):
            return (await in_thread(lambda: extractor.query_views([image], params), timeout_s))[0]
        return await self.extract(image, timeout_s=timeout_s)

    def select_views(self, stored: FeatureRows, params: Mapping[str, Any]) -> FeatureRows:
        return self._profile.select_views(stored, params)

    async def embed_text(self, text: str, *, timeout_s: float) -> Vectors:
        embed = cast(Any, self._extractor).embed_texts
        return await in_thread(lambda: cast(Vectors, embed([text])), timeout_s)

    def view_names(self, params: Mapping[str, Any]) -> Callable[[int], str] | None:
        return self._profile.view_names(params)

    async def status(self) -> ExtractorStatus:
        return ExtractorStatus(self.name, "ready", spec=self.spec, replicas=1)


class LocalShardPort:
    """A shard in this process."""

    def __init__(self, index: int, shard: Shard) -> None:
        self.index = index
        self._shard = shard

    async def apply(self, mutation: Mutation, *, timeout_s: float) -> MutationResult:
        return (await in_thread(lambda: self._shard.apply([mutation]), timeout_s))[0]

    async def search(self, query: ShardQuery, *, timeout_s: float) -> ShardAnswer:
        return (await in_thread(lambda: self._shard.search([query]), timeout_s))[0]

    async def records(self, ids: Sequence[str], *, timeout_s: float) -> list[ImageRecord | None]:
        return await in_thread(lambda: self._shard.records(ids), timeout_s)

    async def page(self, after: str | None, limit: int, *, timeout_s: float) -> list[ImageRecord]:
        return await in_thread(lambda: self._shard.page(after, limit), timeout_s)

    async def thumbnail(self, image_id: str, *, timeout_s: float) -> bytes | None:
        return await in_thread(lambda: self._shard.thumbnail(image_id), timeout_s)

    async def features(
        self, image_id: str, names: Sequence[str], *, timeout_s: float
    ) -> Mapping[str, FeatureRows] | None:
        return await in_thread(lambda: self._shard.features(image_id, names), timeout_s)

    async def pending(self, after: str | None, limit: int, *, timeout_s: float) -> list[PendingImage]:
        return await in_thread(lambda: self._shard.pending(limit, after), timeout_s)

    async def stats(self, *, timeout_s: float) -> ShardStats:
        return await in_thread(self._shard.stats, timeout_s)

    async def verify(self, *, timeout_s: float) -> VerifyReport:
        return await in_thread(self._shard.verify, timeout_s)

    async def train(self, feature: str, *, timeout_s: float) -> TrainingReport:
        return await in_thread(lambda: self._shard.train(feature), timeout_s)


async def in_thread(work: Callable[[], T], timeout_s: float) -> T:
    """Raises DeadlineExceeded after ``timeout_s``; the work itself goes on to its end."""
    try:
        async with asyncio.timeout(timeout_s):
            return await asyncio.to_thread(work)
    except TimeoutError as late:
        raise DeadlineExceeded(f"no answer within {timeout_s:g} s", "try again, or allow more time") from late

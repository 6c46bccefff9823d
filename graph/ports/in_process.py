"""The catalogue's seams within one process: the same contract as the ports over Ray, without Ray. For tests and for
tools that embed the catalogue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar, cast

from deployments.extractor import Pixels
from deployments.extractors.profile import ExtractorProfile
from deployments.replica.extractor_wire import Ability, ExtractorCall
from deployments.replica.part_host import PartHost, ReplicaReport
from graph.ports.contract import ExtractorStatus, ServedModel
from graph.ports.status import extractor_status, refuse_unserved
from storage.cluster.leases import Leases
from storage.duplicates.messages import NearAnswer, NearPicture, NearQuestions
from storage.errors import DeadlineExceeded, LookalikeError
from storage.index.whitening import Whitening
from storage.shard.shard import Shard
from storage.types.features import FeatureRows, FeatureSpec, FloatVectors
from storage.types.mutations import Mutation, MutationResult
from storage.types.pictures import ImageRecord, PendingPage
from storage.types.reports import ShardStats, TrainingReport, VerifyReport
from storage.types.searches import ShardAnswer, ShardQuery

T = TypeVar("T")


class LocalExtractorPort:
    """An extractor in this process."""

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name = name
        self._host = PartHost("extractor", name, options)
        self._profile = ExtractorProfile(name, options)
        self.embeds_text = self._profile.embeds_text
        self.kind = self._profile.kind
        self.is_late = self._profile.spec is None
        self.served = ServedModel(self._profile.spec, self._profile.image_input)

    def close(self) -> None:
        """Stops looking for the files of models."""
        self._host.close()

    def caller(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def extract(self, image: Pixels, *, timeout_s: float) -> FeatureRows:
        return await self._rows("extract", image, {}, timeout_s)

    async def query_views(self, image: Pixels, params: Mapping[str, Any], *, timeout_s: float) -> FeatureRows:
        return await self._rows("query_views", image, params, timeout_s)

    def select_views(self, stored: FeatureRows, params: Mapping[str, Any]) -> FeatureRows:
        return self._profile.select_views(stored, params)

    async def embed_text(self, text: str, *, timeout_s: float) -> FeatureRows:
        return await self._rows("embed_text", text, {}, timeout_s)

    def view_names(self, params: Mapping[str, Any]) -> Callable[[int], str] | None:
        return self._profile.view_names(params)

    async def report(self, origin: Mapping[str, Any] | None = None) -> ReplicaReport:
        return self._host.report(origin)

    async def status(self) -> ExtractorStatus:
        return extractor_status(self.name, self.served, self._host.report(self.served.origin), 1, is_late=self.is_late)

    async def _rows(
        self, ability: Ability, subject: Pixels | str, params: Mapping[str, Any], timeout_s: float
    ) -> FeatureRows:
        refuse_unserved(self.name, self.served)
        call = ExtractorCall(ability, subject, params, self.served.origin)
        answer = (await in_thread(lambda: self._host.answer([call]), timeout_s))[0]
        if isinstance(answer, LookalikeError):
            raise answer
        return cast(FeatureRows, answer)


class LocalShardPort:
    """A shard in this process."""

    def __init__(self, index: int, shard: Shard) -> None:
        self.index = index
        self._shard = shard
        self._leases = Leases()

    async def apply(self, mutation: Mutation, *, timeout_s: float) -> MutationResult:
        return (await in_thread(lambda: self._shard.apply([mutation]), timeout_s))[0]

    async def search(self, query: ShardQuery, *, timeout_s: float) -> ShardAnswer:
        return (await in_thread(lambda: self._shard.search([query]), timeout_s))[0]

    async def near(self, questions: NearQuestions, *, timeout_s: float) -> list[NearAnswer]:
        return await in_thread(lambda: self._shard.near(questions), timeout_s)

    async def walk(self, feature: str, views: int, after: int, limit: int, *, timeout_s: float) -> list[NearPicture]:
        return await in_thread(lambda: self._shard.walk(feature, views, after, limit), timeout_s)

    async def records(self, ids: Sequence[str], *, timeout_s: float) -> list[ImageRecord | None]:
        return await in_thread(lambda: self._shard.records(ids), timeout_s)

    async def page(self, after: str | None, limit: int, *, timeout_s: float) -> list[ImageRecord]:
        return await in_thread(lambda: self._shard.page(after, limit), timeout_s)

    async def ids_of_file_name(self, name: str, *, timeout_s: float) -> list[str]:
        return await in_thread(lambda: self._shard.ids_of_file_name(name), timeout_s)

    async def thumbnail(self, image_id: str, *, timeout_s: float) -> bytes | None:
        return await in_thread(lambda: self._shard.thumbnail(image_id), timeout_s)

    async def features(
        self, image_id: str, names: Sequence[str], *, timeout_s: float
    ) -> Mapping[str, FeatureRows] | None:
        return await in_thread(lambda: self._shard.features(image_id, names), timeout_s)

    async def pending_for(self, wanted: Mapping[str, str], start: int, limit: int, *, timeout_s: float) -> PendingPage:
        return await in_thread(lambda: self._shard.pending_for(wanted, start, limit), timeout_s)

    async def lease(self, name: str, holder: str, seconds: float, *, timeout_s: float) -> bool:
        return self._leases.take(name, holder, seconds)

    async def stats(self, *, timeout_s: float) -> ShardStats:
        return await in_thread(self._shard.stats, timeout_s)

    async def verify(self, *, timeout_s: float) -> VerifyReport:
        return await in_thread(self._shard.verify, timeout_s)

    async def train(self, feature: str, *, timeout_s: float) -> TrainingReport:
        return await in_thread(lambda: self._shard.train(feature), timeout_s)

    async def original(self, image_id: str, *, timeout_s: float) -> bytes | None:
        return await in_thread(lambda: self._shard.original(image_id), timeout_s)

    async def adopt(
        self, spec: FeatureSpec, origin: Mapping[str, Any], *, replaces_empty: bool, timeout_s: float
    ) -> str:
        keeper = self._shard.keeper
        return await in_thread(lambda: keeper.adopt(spec, origin, replaces_empty=replaces_empty), timeout_s)

    async def sample_rows(self, feature: str, fingerprint: str, count: int, *, timeout_s: float) -> FloatVectors:
        return await in_thread(lambda: self._shard.sample_rows(feature, count, self.index, fingerprint), timeout_s)

    async def whitening_of(self, feature: str, fingerprint: str, *, timeout_s: float) -> Whitening | None:
        return await in_thread(lambda: self._shard.whitening_of(feature, fingerprint), timeout_s)

    async def whiten(
        self, feature: str, fingerprint: str, whitening: Whitening | None, *, timeout_s: float
    ) -> TrainingReport:
        return await in_thread(lambda: self._shard.whiten(feature, fingerprint, whitening), timeout_s)


async def in_thread(work: Callable[[], T], timeout_s: float) -> T:
    """Raises DeadlineExceeded after ``timeout_s``; the work itself goes on to its end."""
    try:
        async with asyncio.timeout(timeout_s):
            return await asyncio.to_thread(work)
    except TimeoutError as late:
        raise DeadlineExceeded(f"no answer within {timeout_s:g} s", "try again, or allow more time") from late

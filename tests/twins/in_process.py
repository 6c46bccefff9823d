"""The catalogue's seams within one process: the same contract as the ports over Ray, without Ray."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar, cast

from deployments.extractor import Pixels
from deployments.extractors.profile import ExtractorProfile
from deployments.replica.extractor_wire import Ability, ExtractorCall
from deployments.replica.part_host import PartHost, ReplicaReport
from graph.ports.contract import ExtractorStatus, ServedModel
from graph.ports.status import extractor_status, refuse_unserved
from storage.errors import DeadlineExceeded, LookalikeError
from storage.shard.operation import Operation
from storage.shard.shard import Shard
from storage.types.features import FeatureRows
from storage.types.mutations import Mutation, MutationResult
from storage.types.searches import ShardAnswer, ShardQuery

T = TypeVar("T")
Answer = TypeVar("Answer")


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

    async def apply(self, mutation: Mutation, *, timeout_s: float) -> MutationResult:
        [result] = await in_thread(lambda: self._shard.apply([mutation]), timeout_s)
        if isinstance(result, LookalikeError):
            raise result
        return result

    async def search(self, query: ShardQuery, *, timeout_s: float) -> ShardAnswer:
        return (await in_thread(lambda: self._shard.search([query]), timeout_s))[0]

    async def ask(self, operation: Operation[Answer], *, timeout_s: float) -> Answer:
        return await in_thread(lambda: self._shard.ask(operation), timeout_s)

    async def lease(self, name: str, holder: str, seconds: float, *, timeout_s: float) -> bool:
        return self._shard.lease(name, holder, seconds)

    def close(self) -> None:
        """There is no connection to let go."""


async def in_thread(work: Callable[[], T], timeout_s: float) -> T:
    """Raises DeadlineExceeded after ``timeout_s``; the work itself goes on to its end."""
    try:
        async with asyncio.timeout(timeout_s):
            return await asyncio.to_thread(work)
    except TimeoutError as late:
        raise DeadlineExceeded(f"no answer within {timeout_s:g} s", "try again, or allow more time") from late

"""A shard as the catalogue sees it: plain actor calls, a third of a Serve handle's latency, and for searches the local
socket past them.

Concurrent calls are gathered (`graph.ports.batching`), so that a busy service pays for few hops.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextvars import Context
from typing import Any, cast

from ray import ObjectRef
from ray.exceptions import RayActorError, RayError

from graph.ports.batching import Gatherer
from storage.cluster.fleet import ShardFleet
from storage.cluster.local_socket import SearchConnection
from storage.duplicates.messages import NearAnswer, NearPicture, NearQuestions
from storage.encoding.mutation_messages import decode_results, encode_mutations
from storage.encoding.search_messages import decode_answers, encode_queries
from storage.errors import DeadlineExceeded, LookalikeError, ShardUnavailable
from storage.index.whitening import Whitening
from storage.types.features import FeatureRows, FeatureSpec, FloatVectors
from storage.types.mutations import Mutation, MutationResult
from storage.types.pictures import ImageRecord, PendingPage
from storage.types.reports import ShardStats, TrainingReport, VerifyReport
from storage.types.searches import ShardAnswer, ShardQuery

logger = logging.getLogger(__name__)

SHORT_WAY_PAUSE_S = 5.0
SEARCH_BATCH = 16
WRITE_BATCH = 64


class RayShardPort:
    """One shard actor. A dead handle is looked up again, off the event loop, before the next call. Searches take the
    short way (`storage.cluster.local_socket`) as soon as there is one.
    """

    def __init__(self, index: int, fleet: ShardFleet) -> None:
        self.index = index
        self._fleet = fleet
        self._actor: Any = None
        self._short_way: SearchConnection | None = None
        self._looking: asyncio.Task[None] | None = None  # kept, or it would be collected under way
        self._next_look = 0.0
        self._searches: Gatherer[ShardQuery, ShardAnswer] = Gatherer(
            self._search_many, max_batch=SEARCH_BATCH, max_in_flight=1
        )
        self._writes: Gatherer[Mutation, MutationResult] = Gatherer(self._apply_many, max_batch=WRITE_BATCH)

    async def apply(self, mutation: Mutation, *, timeout_s: float) -> MutationResult:
        return await self._writes.call(mutation, timeout_s=timeout_s)

    async def search(self, query: ShardQuery, *, timeout_s: float) -> ShardAnswer:
        return await self._searches.call(query, timeout_s=timeout_s)

    async def near(self, questions: NearQuestions, *, timeout_s: float) -> list[NearAnswer]:
        return cast("list[NearAnswer]", await self._ask("near", questions, timeout_s=timeout_s))

    async def walk(self, feature: str, views: int, after: int, limit: int, *, timeout_s: float) -> list[NearPicture]:
        return cast("list[NearPicture]", await self._ask("walk", feature, views, after, limit, timeout_s=timeout_s))

    async def records(self, ids: Sequence[str], *, timeout_s: float) -> list[ImageRecord | None]:
        return cast("list[ImageRecord | None]", await self._ask("records", list(ids), timeout_s=timeout_s))

    async def page(self, after: str | None, limit: int, *, timeout_s: float) -> list[ImageRecord]:
        return cast("list[ImageRecord]", await self._ask("page", after, limit, timeout_s=timeout_s))

    async def ids_of_file_name(self, name: str, *, timeout_s: float) -> list[str]:
        return cast("list[str]", await self._ask("ids_of_file_name", name, timeout_s=timeout_s))

    async def thumbnail(self, image_id: str, *, timeout_s: float) -> bytes | None:
        return cast("bytes | None", await self._ask("thumbnail", image_id, timeout_s=timeout_s))

    async def features(
        self, image_id: str, names: Sequence[str], *, timeout_s: float
    ) -> Mapping[str, FeatureRows] | None:
        return cast(
            "Mapping[str, FeatureRows] | None", await self._ask("features", image_id, list(names), timeout_s=timeout_s)
        )

    async def pending_for(self, wanted: Mapping[str, str], start: int, limit: int, *, timeout_s: float) -> PendingPage:
        return cast(PendingPage, await self._ask("pending_for", dict(wanted), start, limit, timeout_s=timeout_s))

    async def lease(self, name: str, holder: str, seconds: float, *, timeout_s: float) -> bool:
        return cast(bool, await self._ask("lease", name, holder, seconds, timeout_s=timeout_s))

    async def stats(self, *, timeout_s: float) -> ShardStats:
        return cast(ShardStats, await self._ask("stats", timeout_s=timeout_s))

    async def verify(self, *, timeout_s: float) -> VerifyReport:
        return cast(VerifyReport, await self._ask("verify", timeout_s=timeout_s))

    async def train(self, feature: str, *, timeout_s: float) -> TrainingReport:
        return cast(TrainingReport, await self._ask("train", feature, timeout_s=timeout_s))

    async def original(self, image_id: str, *, timeout_s: float) -> bytes | None:
        return cast("bytes | None", await self._ask("original", image_id, timeout_s=timeout_s))

    async def adopt(
        self, spec: FeatureSpec, origin: Mapping[str, Any], *, replaces_empty: bool, timeout_s: float
    ) -> str:
        return cast(str, await self._ask("adopt", spec, dict(origin), replaces_empty, timeout_s=timeout_s))

    async def sample_rows(self, feature: str, fingerprint: str, count: int, *, timeout_s: float) -> FloatVectors:
        rows = await self._ask("sample_rows", feature, count, self.index, fingerprint, timeout_s=timeout_s)
        return cast(FloatVectors, rows)

    async def whitening_of(self, feature: str, fingerprint: str, *, timeout_s: float) -> Whitening | None:
        return cast("Whitening | None", await self._ask("whitening_of", feature, fingerprint, timeout_s=timeout_s))

    async def whiten(
        self, feature: str, fingerprint: str, whitening: Whitening | None, *, timeout_s: float
    ) -> TrainingReport:
        return cast(TrainingReport, await self._ask("whiten", feature, fingerprint, whitening, timeout_s=timeout_s))

    async def ask_actor(self, method: str, *arguments: Any, timeout_s: float) -> Any:
        """Any method of the actor, for the job records that shard 0 keeps."""
        return await self._ask(method, *arguments, timeout_s=timeout_s)

    def close(self) -> None:
        """For the end of an event loop. Searches that come later go through the actor."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        if self._short_way is not None:
            self._short_way.close()
            self._short_way = None

    async def _search_many(self, queries: Sequence[ShardQuery]) -> Sequence[ShardAnswer | BaseException]:
        question = encode_queries(queries)
        answers = await self._ask_directly(question)
        if answers is None:
            answers = await self._call("search", question)
            self._look_for_short_way()
        return decode_answers(answers)

    async def _ask_directly(self, question: bytes) -> bytes | None:
        if self._short_way is None:
            return None
        try:
            return await self._short_way.ask(question)
        except (OSError, EOFError):
            self.close()
            return None
        except BaseException:  # an answer may be on its way, which is none to the next question
            self.close()
            raise

    def _look_for_short_way(self) -> None:
        """Beside the searches, and now and then: a shard on another machine has none for this process. One look at a
        time: of two ways that are found, one would be left open.
        """
        now = asyncio.get_running_loop().time()
        is_looking = self._looking is not None and not self._looking.done()
        if self._short_way is None and not is_looking and self._actor is not None and now >= self._next_look:
            self._next_look = now + SHORT_WAY_PAUSE_S
            self._looking = asyncio.ensure_future(self._open_short_way(self._actor))

    async def _open_short_way(self, actor: Any) -> None:
        try:
            self._short_way = await SearchConnection.open(await Context().run(actor.search_address.remote))
        except (OSError, RayError) as failure:
            logger.debug("searches of shard %d go through its actor: %s", self.index, failure)

    async def _apply_many(self, mutations: Sequence[Mutation]) -> Sequence[MutationResult | BaseException]:
        return decode_results(await self._call("apply", encode_mutations(mutations)))

    async def _ask(self, method: str, *arguments: Any, timeout_s: float) -> Any:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._call(method, *arguments)
        except DeadlineExceeded:
            raise
        except TimeoutError as late:
            raise DeadlineExceeded(f"shard {self.index} did not answer within {timeout_s:g} s", "try again") from late

    async def _call(self, method: str, *arguments: Any) -> Any:
        if self._actor is None:
            self._actor = await asyncio.to_thread(self._find_actor)
        try:
            # In a context of its own: else Ray takes it for a part of the Ray task that serves the request, and cancels
            # it with that. One that is cancelled while the actor starts keeps every later one waiting for ever.
            reference: ObjectRef[Any] = Context().run(getattr(self._actor, method).remote, *arguments)
            answer = await reference
        except RayActorError as dead:
            self._actor = None
            raise self._unavailable(f"shard {self.index} is restarting") from dead
        except RayError as failure:
            logger.warning("shard %d failed in %s: %s", self.index, method, failure)
            raise self._unavailable(f"shard {self.index} failed in {method}") from failure
        if isinstance(answer, LookalikeError):
            raise answer
        return answer

    def _find_actor(self) -> Any:
        try:
            return self._fleet.find_or_create(self.index)
        except (RayError, ValueError) as failure:
            raise self._unavailable(f"the actor of shard {self.index} cannot be found") from failure

    def _unavailable(self, what: str) -> ShardUnavailable:
        label = self._fleet.label_of(self.index)
        return ShardUnavailable(
            what,
            f"try again in a few seconds; it runs on nodes labelled {label}" if label else "try again in a few seconds",
        )

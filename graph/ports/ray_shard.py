"""A shard as the catalogue sees it: plain actor calls, a third of a Serve handle's latency, and for searches the local
socket past them.

Concurrent calls are gathered (`graph.ports.batching`), so that a busy service pays for few hops.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextvars import Context
from typing import Any, TypeVar, cast

from ray import ObjectRef
from ray.exceptions import RayActorError, RayError

from graph.ports.batching import Gatherer
from storage.cluster.fleet import ShardFleet
from storage.cluster.local_socket import SearchConnection
from storage.encoding.mutation_messages import decode_results, encode_mutations
from storage.encoding.search_messages import decode_answers, encode_queries
from storage.errors import DeadlineExceeded, LookalikeError, ShardUnavailable
from storage.operations.reports import SearchAddress
from storage.shard.operation import Operation
from storage.types.mutations import Mutation, MutationResult
from storage.types.searches import ShardAnswer, ShardQuery

Answer = TypeVar("Answer")

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
        self._searches: Gatherer[ShardQuery, ShardAnswer] = Gatherer(self._search_many, max_batch=SEARCH_BATCH)
        self._writes: Gatherer[Mutation, MutationResult] = Gatherer(self._apply_many, max_batch=WRITE_BATCH)

    async def apply(self, mutation: Mutation, *, timeout_s: float) -> MutationResult:
        return await self._writes.call(mutation, timeout_s=timeout_s)

    async def search(self, query: ShardQuery, *, timeout_s: float) -> ShardAnswer:
        return await self._searches.call(query, timeout_s=timeout_s)

    async def ask(self, operation: Operation[Answer], *, timeout_s: float) -> Answer:
        return await self._in_time(self._ask(operation), timeout_s)

    async def lease(self, name: str, holder: str, seconds: float, *, timeout_s: float) -> bool:
        return cast(bool, await self._in_time(self._call("lease", name, holder, seconds), timeout_s))

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
            self._looking = asyncio.ensure_future(self._open_short_way())

    async def _open_short_way(self) -> None:
        try:
            self._short_way = await SearchConnection.open(await self._ask(SearchAddress()))
        except (OSError, LookalikeError) as failure:
            logger.debug("searches of shard %d go through its actor: %s", self.index, failure)

    async def _apply_many(self, mutations: Sequence[Mutation]) -> Sequence[MutationResult | BaseException]:
        return decode_results(await self._call("apply", encode_mutations(mutations)))

    async def _ask(self, operation: Operation[Answer]) -> Answer:
        return cast(Answer, await self._call("ask", operation, group=operation.group))

    async def _in_time(self, answer: Coroutine[Any, Any, Answer], timeout_s: float) -> Answer:
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except DeadlineExceeded:
            raise
        except TimeoutError as late:
            raise DeadlineExceeded(f"shard {self.index} did not answer within {timeout_s:g} s", "try again") from late

    async def _call(self, method: str, *arguments: Any, group: str | None = None) -> Any:
        """group: of threads, where it is not the method's own."""
        if self._actor is None:
            self._actor = await asyncio.to_thread(self._find_actor)
        try:
            # In a context of its own: else Ray takes it for a part of the Ray task that serves the request, and cancels
            # it with that. One that is cancelled while the actor starts keeps every later one waiting for ever.
            call = getattr(self._actor, method)
            call = call if group is None else call.options(concurrency_group=group)
            reference: ObjectRef[Any] = Context().run(call.remote, *arguments)
            answer = await reference
        except RayActorError as dead:
            self._actor = None
            raise self._unavailable(f"shard {self.index} is restarting") from dead
        except RayError as failure:
            what = type(arguments[0]).__name__ if method == "ask" else method
            logger.warning("shard %d failed in %s: %s", self.index, what, failure)
            raise self._unavailable(f"shard {self.index} failed in {what}") from failure
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

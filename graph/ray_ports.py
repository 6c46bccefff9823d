"""The catalogue's seams over Ray: Serve handles for extractors, plain actor calls for shards (a third of a handle's
latency).

Concurrent calls are gathered (`graph.gather`), so that a busy service pays for few hops. Small calls travel over the
transport that Serve is set up with; pictures beyond ``LARGE_BYTES`` go through the object store, which copies
nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import Context
from typing import Any, TypeVar, cast

from ray import ObjectRef, serve
from ray.exceptions import RayActorError, RayError
from ray.serve._private.common import ReplicaState
from ray.serve.handle import DeploymentHandle

from deployments.extractor import Pixels
from deployments.extractor_service import ReplicaReport
from deployments.extractor_wire import (
    ExtractorAnswer,
    ExtractorCall,
    decode_extractor_answers,
    encode_calls,
)
from deployments.profile import ExtractorProfile
from graph.demand import DemandSignal
from graph.gather import Gatherer
from graph.ports import ExtractorStatus
from storage.errors import DeadlineExceeded, ExtractorFailed, LookalikeError, ShardUnavailable
from storage.mutation_wire import decode_results, encode_mutations
from storage.search_socket import SearchConnection
from storage.search_wire import decode_answers, encode_queries
from storage.shard_fleet import ShardFleet
from storage.types import (
    FeatureRows,
    ImageRecord,
    Mutation,
    MutationResult,
    PendingImage,
    ShardAnswer,
    ShardQuery,
    ShardStats,
    Vectors,
    VerifyReport,
)

logger = logging.getLogger(__name__)
T = TypeVar("T")

LARGE_BYTES = 512 * 1024
REPORT_TIMEOUT_S = 2.0
REPLICAS_KNOWN_FOR_S = 2.0  # asking Serve takes tens of milliseconds of this process
SEARCH_BATCH = 16
WRITE_BATCH = 64


class ReplicaCounts:
    """How many replicas of each deployment run. Serve's controller is asked at most every ``REPLICAS_KNOWN_FOR_S``."""

    def __init__(self, application: str) -> None:
        self._application = application
        self._running: dict[str, int] = {}
        self._asked = -REPLICAS_KNOWN_FOR_S
        self._asking = asyncio.Lock()

    async def running(self, deployment: str) -> int:
        async with self._asking:
            if time.monotonic() - self._asked > REPLICAS_KNOWN_FOR_S:
                await asyncio.to_thread(self._ask)
        return self._running.get(deployment, 0)

    def _ask(self) -> None:
        application = serve.status().applications.get(self._application)
        self._asked = time.monotonic()
        if application is not None:
            self._running = {
                name: deployment.replica_states.get(ReplicaState.RUNNING, 0)
                for name, deployment in application.deployments.items()
            }


class RayExtractorPort:
    """One extractor deployment. What it needs of a picture is known once a replica has described itself."""

    def __init__(
        self,
        name: str,
        handle: DeploymentHandle[Any],
        *,
        profile: ExtractorProfile,
        replicas: ReplicaCounts,
        batch: int = 16,
        in_flight: int = 1,
    ) -> None:
        self.name = name
        self.spec = profile.spec
        self.image_input = profile.image_input
        self.embeds_text = profile.embeds_text
        self._handle = handle
        self._answer_encoded = handle.answer_encoded  # each such look-up makes a new handle
        self._answer_by_reference = handle.options(_by_reference=True).answer
        self._profile = profile
        self._replicas = replicas
        self._demand = DemandSignal(self._attend, self._room_to_attend)
        self._small: Gatherer[ExtractorCall, ExtractorAnswer] = Gatherer(
            self._send_encoded, max_batch=batch, max_in_flight=in_flight
        )
        self._large: Gatherer[ExtractorCall, ExtractorAnswer] = Gatherer(
            self._send_by_reference, max_batch=max(1, batch // 4), max_in_flight=in_flight
        )

    def caller(self) -> AbstractContextManager[None]:
        return self._demand.caller()

    async def extract(self, image: Pixels, *, timeout_s: float) -> FeatureRows:
        return cast(FeatureRows, await self._ask(ExtractorCall("extract", image, {}), image.nbytes, timeout_s))

    async def query_views(self, image: Pixels, params: Mapping[str, Any], *, timeout_s: float) -> Vectors:
        return cast(Vectors, await self._ask(ExtractorCall("query_views", image, params), image.nbytes, timeout_s))

    async def embed_text(self, text: str, *, timeout_s: float) -> Vectors:
        return cast(Vectors, await self._ask(ExtractorCall("embed_text", text, {}), len(text), timeout_s))

    def select_views(self, stored: FeatureRows, params: Mapping[str, Any]) -> Vectors:
        return self._profile.select_views(stored, params)

    def view_names(self, params: Mapping[str, Any]) -> Callable[[int], str] | None:
        return self._profile.view_names(params)

    async def status(self) -> ExtractorStatus:
        try:
            async with asyncio.timeout(REPORT_TIMEOUT_S):
                said: ReplicaReport = await self._handle.report.remote()
        except TimeoutError:
            return ExtractorStatus(self.name, "loading", reason="no replica answers yet; see the Ray dashboard")
        except Exception as failure:
            return ExtractorStatus(self.name, "unavailable", reason=f"no replica answers: {type(failure).__name__}")
        replicas = await self._replicas.running(self.name)
        return ExtractorStatus(self.name, said.state, said.reason, said.spec, said.model, replicas)

    async def _attend(self) -> None:
        await self._handle.attend.remote()

    async def _room_to_attend(self) -> int:
        """Half of what the replicas work on at once; the other half stays for work."""
        said: ReplicaReport = await self._handle.report.remote()
        if said.autoscaled_requests == 0:
            return 0
        return said.autoscaled_requests // 2 * max(1, await self._replicas.running(self.name))

    async def _ask(self, call: ExtractorCall, size: int, timeout_s: float) -> ExtractorAnswer:
        gatherer = self._large if size > LARGE_BYTES else self._small
        return await gatherer.call(call, timeout_s=timeout_s)

    async def _send_encoded(self, calls: Sequence[ExtractorCall]) -> Sequence[ExtractorAnswer]:
        try:
            return decode_extractor_answers(await self._answer_encoded.remote(encode_calls(calls)))
        except Exception as failure:
            raise self._no_answer(failure) from failure

    async def _send_by_reference(self, calls: Sequence[ExtractorCall]) -> Sequence[ExtractorAnswer]:
        try:
            return cast(Sequence[ExtractorAnswer], await self._answer_by_reference.remote(calls))
        except Exception as failure:
            raise self._no_answer(failure) from failure

    def _no_answer(self, failure: Exception) -> ExtractorFailed:
        """Serve's transports raise many types; all mean that no replica answered."""
        logger.warning("extractor %s did not answer: %r", self.name, failure)
        return ExtractorFailed(f"extractor {self.name!r} did not answer", "try again in a few seconds")


class RayShardPort:
    """One shard actor. A dead handle is looked up again, off the event loop, before the next call. Searches take the
    short way (`storage.search_socket`) as soon as there is one.
    """

    def __init__(self, index: int, fleet: ShardFleet) -> None:
        self.index = index
        self._fleet = fleet
        self._actor: Any = None
        self._short_way: SearchConnection | None = None
        self._opening: asyncio.Task[None] | None = None
        self._searches: Gatherer[ShardQuery, ShardAnswer] = Gatherer(
            self._search_many, max_batch=SEARCH_BATCH, max_in_flight=1
        )
        self._writes: Gatherer[Mutation, MutationResult] = Gatherer(self._apply_many, max_batch=WRITE_BATCH)

    async def apply(self, mutation: Mutation, *, timeout_s: float) -> MutationResult:
        return await self._writes.call(mutation, timeout_s=timeout_s)

    async def search(self, query: ShardQuery, *, timeout_s: float) -> ShardAnswer:
        return await self._searches.call(query, timeout_s=timeout_s)

    async def records(self, ids: Sequence[str], *, timeout_s: float) -> list[ImageRecord | None]:
        return cast("list[ImageRecord | None]", await self._ask("records", list(ids), timeout_s=timeout_s))

    async def page(self, after: str | None, limit: int, *, timeout_s: float) -> list[ImageRecord]:
        return cast("list[ImageRecord]", await self._ask("page", after, limit, timeout_s=timeout_s))

    async def thumbnail(self, image_id: str, *, timeout_s: float) -> bytes | None:
        return cast("bytes | None", await self._ask("thumbnail", image_id, timeout_s=timeout_s))

    async def features(
        self, image_id: str, names: Sequence[str], *, timeout_s: float
    ) -> Mapping[str, FeatureRows] | None:
        return cast(
            "Mapping[str, FeatureRows] | None", await self._ask("features", image_id, list(names), timeout_s=timeout_s)
        )

    async def pending(self, after: str | None, limit: int, *, timeout_s: float) -> list[PendingImage]:
        return cast("list[PendingImage]", await self._ask("pending", after, limit, timeout_s=timeout_s))

    async def stats(self, *, timeout_s: float) -> ShardStats:
        return cast(ShardStats, await self._ask("stats", timeout_s=timeout_s))

    async def verify(self, *, timeout_s: float) -> VerifyReport:
        return cast(VerifyReport, await self._ask("verify", timeout_s=timeout_s))

    async def ask_actor(self, method: str, *arguments: Any, timeout_s: float) -> Any:
        """Any method of the actor, for the job records that shard 0 keeps."""
        return await self._ask(method, *arguments, timeout_s=timeout_s)

    def close(self) -> None:
        """For the end of an event loop. Searches that come later go through the actor."""
        if self._short_way is not None:
            self._short_way.close()
            self._short_way = None

    async def _search_many(self, queries: Sequence[ShardQuery]) -> Sequence[ShardAnswer | BaseException]:
        question = encode_queries(queries)
        answers = await self._ask_directly(question)
        if answers is None:
            answers = await self._call("search", question)
            if self._opening is None:
                self._opening = asyncio.ensure_future(self._open_short_way(self._actor))
        return decode_answers(answers)

    async def _ask_directly(self, question: bytes) -> bytes | None:
        if self._short_way is None:
            return None
        try:
            return await self._short_way.ask(question)
        except (OSError, EOFError):
            self.close()
            self._opening = None  # to be opened again, to the actor's next process
            return None

    async def _open_short_way(self, actor: Any) -> None:
        """Tried once an actor's process; that of a shard on another machine cannot be reached this way."""
        try:
            self._short_way = await SearchConnection.open(await Context().run(actor.search_address.remote))
        except (OSError, RayError) as failure:
            logger.info("searches of shard %d go through its actor: %s", self.index, failure)

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
            self._actor = self._opening = None
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

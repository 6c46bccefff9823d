"""An extractor deployment as the catalogue sees it: a Serve handle.

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
from typing import Any, cast

from ray import serve
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
from storage.errors import ExtractorFailed
from storage.types import FeatureRows, Vectors

logger = logging.getLogger(__name__)

LARGE_BYTES = 512 * 1024
REPORT_TIMEOUT_S = 2.0
REPLICAS_KNOWN_FOR_S = 2.0  # asking Serve takes tens of milliseconds of this process


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

    async def query_views(self, image: Pixels, params: Mapping[str, Any], *, timeout_s: float) -> FeatureRows:
        return cast(FeatureRows, await self._ask(ExtractorCall("query_views", image, params), image.nbytes, timeout_s))

    async def embed_text(self, text: str, *, timeout_s: float) -> Vectors:
        return cast(Vectors, await self._ask(ExtractorCall("embed_text", text, {}), len(text), timeout_s))

    def select_views(self, stored: FeatureRows, params: Mapping[str, Any]) -> FeatureRows:
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

"""A deployment of an extractor or an annotator as the router reaches it: a Serve handle.

Concurrent calls are gathered (`graph.ports.batching`), so that a busy service pays for few hops. Small calls travel
over the transport that Serve is set up with; pictures beyond ``LARGE_BYTES`` go through the object store, which copies
nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

from ray import serve
from ray.serve._private.common import ReplicaState
from ray.serve.handle import DeploymentHandle

from deployments.replica.extractor_wire import ExtractorAnswer, ExtractorCall, decode_extractor_answers, encode_calls
from deployments.replica.part_host import ReplicaReport
from graph.ports.another_replica import ask_twice
from graph.ports.autoscaling_demand import DemandSignal
from graph.ports.batching import Gatherer

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
        await self.refresh()
        return self._running.get(deployment, 0)

    async def refresh(self) -> None:
        """Asks, unless that was done just now."""
        async with self._asking:
            if time.monotonic() - self._asked > REPLICAS_KNOWN_FOR_S:
                await asyncio.to_thread(self._ask)

    def last_known(self, deployment: str) -> int:
        """As it was when somebody asked last."""
        return self._running.get(deployment, 0)

    def _ask(self) -> None:
        application = serve.status().applications.get(self._application)
        self._asked = time.monotonic()
        if application is not None:
            self._running = {
                name: deployment.replica_states.get(ReplicaState.RUNNING, 0)
                for name, deployment in application.deployments.items()
            }


class RayPart:
    """One deployment, whatever the number of its replicas."""

    def __init__(self, name: str, handle: DeploymentHandle[Any], *, replicas: ReplicaCounts, batch: int = 16) -> None:
        """batch: most calls that travel together; as many batches are under way as there are replicas."""
        self.name = name
        self._handle = handle
        self._answer_encoded = handle.answer_encoded  # each such look-up makes a new handle
        self._answer_by_reference = handle.options(_by_reference=True).answer
        self._replicas = replicas
        self.demand = DemandSignal(self._attend, self._room_to_attend)
        self._small: Gatherer[ExtractorCall, ExtractorAnswer] = Gatherer(self._send_encoded, max_batch=batch)
        self._large: Gatherer[ExtractorCall, ExtractorAnswer] = Gatherer(
            self._send_by_reference, max_batch=max(1, batch // 4)
        )

    async def ask(self, call: ExtractorCall, *, timeout_s: float) -> ExtractorAnswer:
        """Raises the errors of `graph.ports.contract`."""
        size = len(call.subject) if isinstance(call.subject, str) else call.subject.nbytes
        gatherer = self._large if size > LARGE_BYTES else self._small
        gatherer.max_in_flight = max(1, self._replicas.last_known(self.name))
        return await gatherer.call(call, timeout_s=timeout_s)

    async def report(self, origin: Mapping[str, Any] | None = None) -> ReplicaReport:
        """What a replica says of its part; a deployment without one is loading or unavailable."""
        try:
            async with asyncio.timeout(REPORT_TIMEOUT_S):
                return cast(ReplicaReport, await self._handle.report.remote(origin))
        except TimeoutError:
            return ReplicaReport("loading", "no replica answers yet; see the Ray dashboard")
        except Exception as failure:
            return ReplicaReport("unavailable", f"no replica answers: {type(failure).__name__}")

    async def replicas(self) -> int:
        return await self._replicas.running(self.name)

    async def _attend(self) -> None:
        await self._handle.attend.remote()

    async def _room_to_attend(self) -> int:
        """Half of what the replicas work on at once; the other half stays for work."""
        said: ReplicaReport = await self._handle.report.remote()
        if said.autoscaled_requests == 0:
            return 0
        return said.autoscaled_requests // 2 * max(1, await self.replicas())

    async def _send_encoded(self, calls: Sequence[ExtractorCall]) -> Sequence[ExtractorAnswer]:
        encoded = encode_calls(calls)
        return decode_extractor_answers(await ask_twice(self.name, lambda: self._answer_encoded.remote(encoded)))

    async def _send_by_reference(self, calls: Sequence[ExtractorCall]) -> Sequence[ExtractorAnswer]:
        answers = await ask_twice(self.name, lambda: self._answer_by_reference.remote(calls))
        return cast(Sequence[ExtractorAnswer], answers)

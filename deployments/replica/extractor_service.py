"""The Serve deployment that hosts an extractor or an annotator, any of them.

Calls come in batches, as the router gathers them; a call that fails does so alone, as a value in its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from ray import serve

from deployments.extractors.registry import extractor_class
from deployments.replica.extractor_wire import ExtractorAnswer, ExtractorCall, decode_calls, encode_extractor_answers
from deployments.replica.part_host import PartHost, PartKind, ReplicaReport

ATTENDANCE_S = 1.0


class ExtractorService:
    """Serve's view of a `PartHost`. The work runs in a thread, so that the replica answers health checks meanwhile, but
    for an extractor that is quicker than the way to a thread and back.
    """

    def __init__(self, kind: PartKind, name: str, options: Mapping[str, Any], threads: int = 1) -> None:
        self._host = PartHost(kind, name, options)
        self._is_quick = kind == "extractor" and bool(getattr(extractor_class(name), "is_quick", False))
        self._workers = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)

    async def answer(self, calls: Sequence[ExtractorCall]) -> list[ExtractorAnswer]:
        """For large pictures, which come by reference."""
        if self._is_quick:
            return self._host.answer(calls)
        return await asyncio.get_running_loop().run_in_executor(self._workers, self._host.answer, calls)

    async def answer_encoded(self, calls: bytes) -> bytes:
        """`answer` in the form of `deployments.replica.extractor_wire`."""
        return encode_extractor_answers(await self.answer(decode_calls(calls)))

    async def attend(self) -> None:
        """Stands in for a caller whose work is gathered with that of others (see `graph.ports.autoscaling_demand`)."""
        await asyncio.sleep(ATTENDANCE_S)

    async def report(self, origin: Mapping[str, Any] | None = None) -> ReplicaReport:
        """Of the configured part, or of the one with the options ``origin``, which is loaded if need be."""
        deployment = serve.get_replica_context()._deployment_config
        requests = deployment.max_ongoing_requests if deployment.autoscaling_config is not None else 0
        said = await asyncio.to_thread(self._host.report, origin)
        return replace(said, autoscaled_requests=requests)


def part_deployment(kind: PartKind, name: str, options: Mapping[str, Any]) -> serve.Application:
    """The deployment of one part under its own name, so that the YAML's ``deployments:`` tunes it by that name."""
    deployment = serve.deployment(
        name=name,
        max_ongoing_requests=16,
        max_queued_requests=256,
        ray_actor_options={"num_cpus": 0.1},
        health_check_period_s=5,
        health_check_timeout_s=30,
        graceful_shutdown_timeout_s=10,
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )(ExtractorService)
    return deployment.bind(kind, name, dict(options))

"""The shards of a job in one process: the actors' own methods, without Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from deployments.extractors.profile import extractor_profiles
from graph.config.fleet_plan import fleet_plan
from graph.config.settings import AppSettings
from graph.jobs.running.fleet_shards import CALL_TIMEOUT_S, ShardCalls
from storage.cluster.actor import ShardActor
from storage.cluster.plan import ShardPlan
from storage.errors import LookalikeError
from tests.unit.waiting import wait_for


class LocalFleet(ShardCalls):
    """Closed with `close`; the data stays."""

    def __init__(self, folder: Path, settings: AppSettings) -> None:
        plan = fleet_plan(settings, extractor_profiles(settings.extractors))
        self.count = plan.shard_count
        self.actors = [
            ShardActor(
                ShardPlan(
                    str(folder / str(index)),
                    index,
                    plan.shard_count,
                    plan.features,
                    late=plan.late,
                    annotations=plan.annotations,
                    keeps_originals=plan.keeps_originals,
                )
            )
            for index in range(plan.shard_count)
        ]
        for actor in self.actors:
            wait_for(lambda actor=actor: actor._shard is not None, "the shard is open")  # type: ignore[misc]

    def ask(self, shard: int, method: str, *arguments: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        answer = getattr(self.actors[shard], method)(*arguments)
        if isinstance(answer, LookalikeError):
            raise answer
        return answer

    def ask_patiently(self, shard: int, method: str, *arguments: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        return self.ask(shard, method, *arguments)

    def close(self) -> None:
        for actor in self.actors:
            cast(Any, actor).close()  # Ray types it as a remote method

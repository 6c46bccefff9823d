"""The shards of a job in one process: the actors' own methods, without Ray."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from deployments.extractors.profile import extractor_profiles
from graph.config.fleet_plan import fleet_plan
from graph.config.settings import AppSettings
from graph.jobs.running.fleet_shards import CALL_TIMEOUT_S, Results, ShardCalls
from storage.cluster.actor import ShardActor
from storage.encoding.mutation_messages import decode_results, encode_mutations
from storage.errors import LookalikeError
from storage.shard.operation import Operation
from storage.shard.plan import ShardPlan
from storage.types.mutations import Mutation
from tests.unit.waiting import wait_for

Answer = TypeVar("Answer")


class LocalFleet(ShardCalls):
    """Closed with `close`; the data stays."""

    def __init__(self, folder: Path, settings: AppSettings) -> None:
        plan = fleet_plan(settings, extractor_profiles(settings.extractors))
        self.count = plan.shard_count
        self.actors = [
            ShardActor(ShardPlan(str(folder / str(index)), index, plan.shard_count, plan.settings))
            for index in range(plan.shard_count)
        ]
        for actor in self.actors:
            wait_for(lambda actor=actor: actor._shard is not None, "the shard is open")  # type: ignore[misc]

    def apply(self, shard: int, mutations: Sequence[Mutation]) -> Results:
        return decode_results(_raised(cast(Any, self.actors[shard]).apply(encode_mutations(mutations))))

    def ask(self, shard: int, operation: Operation[Answer], *, timeout_s: float = CALL_TIMEOUT_S) -> Answer:
        return cast(Answer, _raised(cast(Any, self.actors[shard]).ask(operation)))

    def close(self) -> None:
        for actor in self.actors:
            cast(Any, actor).close()  # Ray types it as a remote method


def _raised(answer: Any) -> Any:
    if isinstance(answer, LookalikeError):
        raise answer
    return answer

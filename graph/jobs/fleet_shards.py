"""The shards as a job sees them: blocking calls to their actors, a dead one found again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError

from storage.errors import LookalikeError, ShardUnavailable
from storage.mutation_wire import decode_results, encode_mutations
from storage.shard_fleet import ShardFleet
from storage.shard_plan import FleetPlan
from storage.types import Mutation, MutationResult

CALL_TIMEOUT_S = 120.0
RETRY_PAUSE_S = 0.5


class FleetShards:
    """The shards as a job sees them: blocking calls, a dead actor found again. Implements `ShardWriter`."""

    def __init__(self, plan: FleetPlan) -> None:
        self._fleet = ShardFleet(plan)

    def apply(self, shard: int, mutations: Sequence[Mutation]) -> Sequence[MutationResult | LookalikeError]:
        return decode_results(self.ask(shard, "apply", encode_mutations(mutations)))

    def holds(self, shard: int, image_id: str, sha256: str) -> bool:
        [record] = self.ask(shard, "records", [image_id])
        return record is not None and record.sha256 == sha256

    def ask(self, shard: int, method: str, *arguments: Any) -> Any:
        """Raises ShardUnavailable while the shard restarts, and what the shard itself answered with."""
        try:
            answer = ray.get(getattr(self._fleet.handle(shard), method).remote(*arguments), timeout=CALL_TIMEOUT_S)
        except (RayActorError, GetTimeoutError) as dead:
            self._fleet.find_or_create(shard)
            raise ShardUnavailable(f"shard {shard} is restarting", "try again in a few seconds") from dead
        if isinstance(answer, LookalikeError):
            raise answer
        return answer

    def ask_patiently(self, shard: int, method: str, *arguments: Any) -> Any:
        """As `ask`, but waits for a shard that restarts."""
        deadline = time.monotonic() + CALL_TIMEOUT_S
        while True:
            try:
                return self.ask(shard, method, *arguments)
            except ShardUnavailable:
                if time.monotonic() > deadline:
                    raise
            time.sleep(RETRY_PAUSE_S)

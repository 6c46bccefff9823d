"""The shards as a job sees them: blocking calls to their actors, a dead one found again."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError

from storage.errors import LookalikeError, ShardUnavailable
from storage.mutation_wire import decode_results, encode_mutations
from storage.shard_fleet import ShardFleet
from storage.shard_plan import FleetPlan
from storage.types import FeatureGeneration, FeatureSpec, Mutation, MutationResult, ShardStats

CALL_TIMEOUT_S = 120.0
RETRY_PAUSE_S = 0.5


class ShardCalls(ABC):
    """The shards as a job sees them. Implements `ShardWriter`. count: how many there are."""

    count: int

    @abstractmethod
    def ask(self, shard: int, method: str, *arguments: Any) -> Any:
        """A method of the shard's actor. Raises ShardUnavailable while the shard restarts, and what the shard itself
        answered with.
        """

    @abstractmethod
    def ask_patiently(self, shard: int, method: str, *arguments: Any) -> Any:
        """As `ask`, but waits for a shard that restarts."""

    def apply(self, shard: int, mutations: Sequence[Mutation]) -> Sequence[MutationResult | LookalikeError]:
        return decode_results(self.ask(shard, "apply", encode_mutations(mutations)))

    def holds(self, shard: int, image_id: str, sha256: str) -> bool:
        [record] = self.ask(shard, "records", [image_id])
        return record is not None and record.sha256 == sha256

    def adopt(self, spec: FeatureSpec, origin: Mapping[str, Any]) -> None:
        for shard in range(self.count):
            self.ask_patiently(shard, "adopt", spec, dict(origin))

    def apply_patiently(self, shard: int, mutations: Sequence[Mutation]) -> None:
        """Raises the first error of a mutation that was refused."""
        for result in decode_results(self.ask_patiently(shard, "apply", encode_mutations(mutations))):
            if isinstance(result, LookalikeError):
                raise result

    def count_pending(self, wanted: Mapping[str, str]) -> int:
        """Pictures that wait for any of these: features with a model's fingerprint, annotations with an empty one."""
        return sum(self.ask_patiently(shard, "count_pending", dict(wanted)) for shard in range(self.count))

    def without_file(self, wanted: Mapping[str, str], limit: int) -> list[str]:
        """Ids of pictures that wait likewise, but have no file to compute it from; at most ``limit`` a shard."""
        found: list[str] = []
        for shard in range(self.count):
            found += self.ask_patiently(shard, "pending_without_file", dict(wanted), limit)
        return found

    def generations(self, name: str) -> list[FeatureGeneration]:
        """Of all shards together."""
        stats: list[ShardStats] = [self.ask_patiently(shard, "stats") for shard in range(self.count)]
        return [generation for one in stats for generation in one.generations.get(name, ())]

    def take_over(self, name: str, fingerprint: str) -> None:
        for shard in range(self.count):
            self.ask_patiently(shard, "take_over", name, fingerprint)

    def drop_replaced(self, name: str) -> None:
        for shard in range(self.count):
            self.ask_patiently(shard, "drop_replaced", name)

    def begin_generation(self, spec: FeatureSpec, origin: Mapping[str, Any]) -> set[str]:
        """The roles that the model's rows have in the shards."""
        return {self.ask_patiently(shard, "begin_generation", spec, dict(origin)) for shard in range(self.count)}


class FleetShards(ShardCalls):
    """The actors: blocking calls, a dead one found again."""

    def __init__(self, plan: FleetPlan) -> None:
        self._fleet = ShardFleet(plan)
        self.count = plan.shard_count

    def ask(self, shard: int, method: str, *arguments: Any) -> Any:
        try:
            answer = ray.get(getattr(self._fleet.handle(shard), method).remote(*arguments), timeout=CALL_TIMEOUT_S)
        except (RayActorError, GetTimeoutError) as dead:
            self._fleet.find_or_create(shard)
            raise ShardUnavailable(f"shard {shard} is restarting", "try again in a few seconds") from dead
        if isinstance(answer, LookalikeError):
            raise answer
        return answer

    def ask_patiently(self, shard: int, method: str, *arguments: Any) -> Any:
        deadline = time.monotonic() + CALL_TIMEOUT_S
        while True:
            try:
                return self.ask(shard, method, *arguments)
            except ShardUnavailable:
                if time.monotonic() > deadline:
                    raise
            time.sleep(RETRY_PAUSE_S)


class GenerationBuilder:
    """Makes room for models whose rows have no place in the shards yet, beside the rows of those that are in use.

    following: features that such a model is to take over.
    """

    def __init__(self, shards: ShardCalls) -> None:
        self._shards = shards
        self.following: list[str] = []

    def adopt(self, spec: FeatureSpec, origin: Mapping[str, Any]) -> None:
        roles = self._shards.begin_generation(spec, origin)
        if "following" in roles:
            self.following.append(spec.name)

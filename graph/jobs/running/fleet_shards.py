"""The shards as a job sees them: blocking calls to their actors, a dead one found again."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError

from storage.cluster.fleet import ShardFleet
from storage.cluster.plan import FleetPlan
from storage.encoding.mutation_messages import decode_results, encode_mutations
from storage.errors import Busy, LookalikeError, ShardUnavailable
from storage.types.features import FeatureSpec
from storage.types.mutations import Mutation, MutationResult
from storage.types.reports import ShardStats

CALL_TIMEOUT_S = 120.0
WALK_TIMEOUT_S = 3600.0  # of calls that go through the whole collection, or build an index anew
RETRY_PAUSE_S = 0.5


class ShardCalls(ABC):
    """The shards as a job sees them. Implements `ShardWriter`. count: how many there are."""

    count: int

    @abstractmethod
    def ask(self, shard: int, method: str, *arguments: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """A method of the shard's actor. Raises ShardUnavailable while the shard restarts or where it takes longer, and
        what the shard itself answered with.
        """

    @abstractmethod
    def ask_patiently(self, shard: int, method: str, *arguments: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """As `ask`, but waits for a shard that restarts."""

    def ask_each(self, method: str, *arguments: Any, timeout_s: float = WALK_TIMEOUT_S) -> list[Any]:
        """As `ask_patiently`, one shard after the other."""
        return [self.ask_patiently(shard, method, *arguments, timeout_s=timeout_s) for shard in range(self.count)]

    def apply(self, shard: int, mutations: Sequence[Mutation]) -> Sequence[MutationResult | LookalikeError]:
        return decode_results(self.ask(shard, "apply", encode_mutations(mutations)))

    def holds(self, shard: int, image_id: str, sha256: str) -> bool:
        [record] = self.ask(shard, "records", [image_id])
        return record is not None and record.sha256 == sha256

    def adopt(self, spec: FeatureSpec, origin: Mapping[str, Any], *, replaces_empty: bool = False) -> None:
        """Waits for a shard in which an index is being changed. replaces_empty: another model that has no rows in any
        shard gives way.
        """
        for shard in range(self.count):
            deadline = time.monotonic() + WALK_TIMEOUT_S
            while True:
                try:
                    self.ask_patiently(shard, "adopt", spec, dict(origin), replaces_empty)
                    break
                except Busy:
                    if time.monotonic() > deadline:
                        raise
                time.sleep(RETRY_PAUSE_S)

    def apply_patiently(self, shard: int, mutations: Sequence[Mutation]) -> Sequence[MutationResult | LookalikeError]:
        return decode_results(self.ask_patiently(shard, "apply", encode_mutations(mutations)))

    def count_pending(self, wanted: Mapping[str, str]) -> int:
        """Pictures that wait for any of these: features with a model's fingerprint, annotations with an empty one."""
        return sum(self.ask_each("count_pending", dict(wanted)))

    def without_file(self, wanted: Mapping[str, str], limit: int) -> list[str]:
        """Ids of pictures that wait likewise, but have no file to compute it from; at most ``limit`` a shard."""
        return [image_id for found in self.ask_each("pending_without_file", dict(wanted), limit) for image_id in found]

    def stats(self) -> list[ShardStats]:
        return self.ask_each("stats", timeout_s=CALL_TIMEOUT_S)

    def begin_generation(self, spec: FeatureSpec, origin: Mapping[str, Any]) -> set[str]:
        """The roles that the model's rows have in the shards."""
        return set(self.ask_each("begin_generation", spec, dict(origin)))


class FleetShards(ShardCalls):
    """The actors: blocking calls, a dead one found again."""

    def __init__(self, plan: FleetPlan) -> None:
        self._fleet = ShardFleet(plan)
        self.count = plan.shard_count

    def ask(self, shard: int, method: str, *arguments: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        try:
            answer = ray.get(getattr(self._fleet.handle(shard), method).remote(*arguments), timeout=timeout_s)
        except GetTimeoutError as slow:  # its actor lives, and works on
            raise ShardUnavailable(
                f"shard {shard} did not answer {method} within {timeout_s:g} s", "run the job again later"
            ) from slow
        except RayActorError as dead:
            self._fleet.find_or_create(shard)
            raise ShardUnavailable(f"shard {shard} is restarting", "try again in a few seconds") from dead
        if isinstance(answer, LookalikeError):
            raise answer
        return answer

    def ask_patiently(self, shard: int, method: str, *arguments: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return self.ask(shard, method, *arguments, timeout_s=timeout_s)
            except ShardUnavailable:
                deadline = min(deadline, time.monotonic() + CALL_TIMEOUT_S)
                if time.monotonic() >= deadline:
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

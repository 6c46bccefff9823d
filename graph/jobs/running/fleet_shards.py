"""The shards as a job sees them: blocking calls to their actors, a dead one found again."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, cast

import ray
from ray.exceptions import GetTimeoutError, RayActorError

from storage.cluster.fleet import ShardFleet
from storage.cluster.plan import FleetPlan
from storage.encoding.mutation_messages import decode_results, encode_mutations
from storage.errors import Busy, LookalikeError, ShardUnavailable
from storage.operations.models import AdoptModel
from storage.operations.pictures import Records
from storage.shard.operation import Operation
from storage.types.features import FeatureSpec
from storage.types.mutations import Mutation, MutationResult

CALL_TIMEOUT_S = 120.0
WALK_TIMEOUT_S = 3600.0  # of calls that go through the whole collection, or build an index anew
RETRY_PAUSE_S = 0.5

Answer = TypeVar("Answer")
Results = Sequence[MutationResult | LookalikeError]


class ShardCalls(ABC):
    """The shards as a job sees them. count: how many there are."""

    count: int

    @abstractmethod
    def apply(self, shard: int, mutations: Sequence[Mutation]) -> Results:
        """Raises ShardUnavailable while the shard restarts or where it takes too long."""

    @abstractmethod
    def ask(self, shard: int, operation: Operation[Answer], *, timeout_s: float = CALL_TIMEOUT_S) -> Answer:
        """Raises ShardUnavailable while the shard restarts or where it takes longer, and what the shard itself answered
        with.
        """

    def apply_patiently(self, shard: int, mutations: Sequence[Mutation]) -> Results:
        """As `apply`, but waits for a shard that restarts."""
        return _patiently(lambda: self.apply(shard, mutations), CALL_TIMEOUT_S)

    def ask_patiently(self, shard: int, operation: Operation[Answer], *, timeout_s: float = CALL_TIMEOUT_S) -> Answer:
        """As `ask`, but waits for a shard that restarts."""
        return _patiently(lambda: self.ask(shard, operation, timeout_s=timeout_s), timeout_s)

    def ask_each(self, operation: Operation[Answer], *, timeout_s: float = WALK_TIMEOUT_S) -> list[Answer]:
        """As `ask_patiently`, one shard after the other."""
        return [self.ask_patiently(shard, operation, timeout_s=timeout_s) for shard in range(self.count)]

    def holds(self, shard: int, image_id: str, sha256: str) -> bool:
        [record] = self.ask(shard, Records((image_id,)))
        return record is not None and record.sha256 == sha256

    def adopt(self, spec: FeatureSpec, origin: Mapping[str, Any], *, replaces_empty: bool = False) -> None:
        """Waits for a shard in which an index is being changed. replaces_empty: another model that has no rows in any
        shard gives way.
        """
        for shard in range(self.count):
            ask = partial(self.ask_patiently, shard, AdoptModel(spec, dict(origin), replaces_empty))
            _patiently(ask, WALK_TIMEOUT_S, refusal=Busy, then_s=WALK_TIMEOUT_S)


class FleetShards(ShardCalls):
    """The actors: blocking calls, a dead one found again."""

    def __init__(self, plan: FleetPlan) -> None:
        self._fleet = ShardFleet(plan)
        self.count = plan.shard_count

    def apply(self, shard: int, mutations: Sequence[Mutation]) -> Results:
        call = self._fleet.handle(shard).apply
        return decode_results(self._answer(shard, "a write", call.remote(encode_mutations(mutations)), CALL_TIMEOUT_S))

    def ask(self, shard: int, operation: Operation[Answer], *, timeout_s: float = CALL_TIMEOUT_S) -> Answer:
        call = self._fleet.handle(shard).ask.options(concurrency_group=operation.group)
        answer = self._answer(shard, type(operation).__name__, call.remote(operation), timeout_s)
        return cast(Answer, answer)

    def _answer(self, shard: int, what: str, reference: Any, timeout_s: float) -> Any:
        try:
            answer = ray.get(reference, timeout=timeout_s)
        except GetTimeoutError as slow:  # its actor lives, and works on
            raise ShardUnavailable(
                f"shard {shard} did not answer {what} within {timeout_s:g} s", "run the job again later"
            ) from slow
        except RayActorError as dead:
            self._fleet.find_or_create(shard)
            raise ShardUnavailable(f"shard {shard} is restarting", "try again in a few seconds") from dead
        if isinstance(answer, LookalikeError):
            raise answer
        return answer


def _patiently(
    call: Callable[[], Answer],
    timeout_s: float,
    *,
    refusal: type[LookalikeError] = ShardUnavailable,
    then_s: float = CALL_TIMEOUT_S,
) -> Answer:
    """Repeats it while the shard restarts: for ``timeout_s``, and from then on no longer than other calls take.

    refusal: what it is repeated after. then_s: how long, from the first of them on.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return call()
        except refusal:
            deadline = min(deadline, time.monotonic() + then_s)
            if time.monotonic() >= deadline:
                raise
        time.sleep(RETRY_PAUSE_S)

"""Calls of a job to the shards' actors: one that is slow is told from one that is dead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, GetTimeoutError

from graph.jobs.running.fleet_shards import CALL_TIMEOUT_S, WALK_TIMEOUT_S, FleetShards
from storage.cluster.plan import FleetPlan
from storage.errors import Busy, InvalidRequest, LookalikeError, ShardUnavailable
from storage.types.features import FeatureSpec

SPEC = FeatureSpec("global", "dense", 4, "cosine", "net-1")


class Fleet:
    """Two actors with answers that are told; a minute passes with each call, and half a second with each pause."""

    def __init__(self) -> None:
        self.answers: list[object] = []
        self.asked: list[tuple[int, str]] = []
        self.timeouts: list[float] = []
        self.found_again: list[int] = []
        self.now = 0.0
        self.call_s = 60.0

    def handle(self, shard: int) -> Any:
        fleet = self

        class Method:
            def __init__(self, name: str) -> None:
                self.name = name

            def remote(self, *_: object) -> None:
                fleet.asked.append((shard, self.name))

        class Actor:
            def __getattr__(self, name: str) -> Method:
                return Method(name)

        return Actor()

    def find_or_create(self, shard: int) -> None:
        self.found_again.append(shard)

    def get(self, _reference: object, *, timeout: float) -> object:
        self.timeouts.append(timeout)
        answer = self.answers.pop(0)
        self.now += timeout if isinstance(answer, GetTimeoutError) else self.call_s
        if isinstance(answer, Exception) and not isinstance(answer, LookalikeError):
            raise answer
        return answer

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Fleet:
    made = Fleet()
    monkeypatch.setattr("graph.jobs.running.fleet_shards.ShardFleet", lambda _plan: made)
    monkeypatch.setattr("ray.get", made.get)
    monkeypatch.setattr("time.monotonic", lambda: made.now)
    monkeypatch.setattr("time.sleep", made.sleep)
    return made


@pytest.fixture
def shards(fleet: Fleet) -> FleetShards:
    return FleetShards(FleetPlan("data", 2, ()))


def test_a_dead_actor_is_found_again_and_asked_again(fleet: Fleet, shards: FleetShards) -> None:
    fleet.answers = [ActorDiedError(), "answer"]
    assert shards.ask_patiently(1, "stats") == "answer"
    assert fleet.found_again == [1]


def test_a_slow_actor_is_not_taken_for_a_dead_one(fleet: Fleet, shards: FleetShards) -> None:
    fleet.answers = [GetTimeoutError()]
    with pytest.raises(ShardUnavailable, match="shard 1 did not answer stats within 120 s"):
        shards.ask_patiently(1, "stats")
    assert fleet.found_again == []


def test_an_actor_that_stays_dead_is_given_up_after_two_minutes(fleet: Fleet, shards: FleetShards) -> None:
    fleet.answers = [ActorDiedError() for _ in range(10)]
    fleet.call_s = 1800
    with pytest.raises(ShardUnavailable, match="restarting"):
        shards.ask_patiently(0, "begin_generation", timeout_s=WALK_TIMEOUT_S)
    assert len(fleet.answers) == 8


@pytest.mark.parametrize(
    "call",
    [
        lambda shards: shards.begin_generation(SPEC, {}),
        lambda shards: shards.ask_each("drop_replaced", "global"),
        lambda shards: shards.count_pending({}),
    ],
)
def test_what_walks_through_the_collection_has_an_hour(
    fleet: Fleet, shards: FleetShards, call: Callable[[FleetShards], object]
) -> None:
    fleet.answers = [ActorDiedError(), 1, 1]
    fleet.call_s = 1800
    call(shards)
    assert fleet.timeouts == [WALK_TIMEOUT_S] * 3


def test_other_calls_have_two_minutes(fleet: Fleet, shards: FleetShards) -> None:
    fleet.answers = ["one", "two"]
    assert len(shards.stats()) == 2
    assert fleet.timeouts == [CALL_TIMEOUT_S] * 2


def test_a_model_waits_until_an_index_has_been_changed(fleet: Fleet, shards: FleetShards) -> None:
    fleet.answers = [Busy("an index is being changed"), Busy("an index is being changed"), "in_use", "in_use"]
    shards.adopt(SPEC, {})
    assert fleet.asked == [(0, "adopt")] * 3 + [(1, "adopt")]


def test_what_the_shard_refuses_is_raised_at_once(fleet: Fleet, shards: FleetShards) -> None:
    fleet.answers = [InvalidRequest("no")]
    with pytest.raises(InvalidRequest):
        shards.ask_patiently(0, "take_over")

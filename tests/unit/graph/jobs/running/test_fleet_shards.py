"""Calls of a job to the shards' actors: one that is slow is told from one that is dead."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, GetTimeoutError

from graph.jobs.running.fleet_shards import CALL_TIMEOUT_S, WALK_TIMEOUT_S, FleetShards
from storage.cluster.plan import FleetPlan
from storage.errors import Busy, InvalidRequest, LookalikeError, ShardUnavailable
from storage.operations.models import BeginModel, DropReplaced, SwitchModel
from storage.operations.pending import CountPending
from storage.operations.reports import Stats
from storage.shard.plan import ShardSettings
from storage.types.features import FeatureSpec

SPEC = FeatureSpec("global", "dense", 4, "cosine", "net-1")


class Fleet:
    """Two actors with answers that are told; a minute passes with each call, and half a second with each pause."""

    def __init__(self) -> None:
        self.answers: list[object] = []
        self.asked: list[tuple[int, str]] = []
        self.groups: list[str] = []
        self.timeouts: list[float] = []
        self.found_again: list[int] = []
        self.now = 0.0
        self.call_s = 60.0

    def handle(self, shard: int) -> Any:
        fleet = self

        class Ask:
            def options(self, *, concurrency_group: str) -> Ask:
                fleet.groups.append(concurrency_group)
                return self

            def remote(self, operation: object) -> None:
                fleet.asked.append((shard, type(operation).__name__))

        return SimpleNamespace(ask=Ask())

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
    return FleetShards(FleetPlan("data", 2, ShardSettings(())))


def test_a_dead_actor_is_found_again_and_asked_again(fleet: Fleet, shards: FleetShards) -> None:
    fleet.answers = [ActorDiedError(), 7]
    assert shards.ask_patiently(1, CountPending({})) == 7
    assert fleet.found_again == [1]


def test_a_slow_actor_is_not_taken_for_a_dead_one(fleet: Fleet, shards: FleetShards) -> None:
    fleet.answers = [GetTimeoutError()]
    with pytest.raises(ShardUnavailable, match="shard 1 did not answer Stats within 120 s"):
        shards.ask_patiently(1, Stats())
    assert fleet.found_again == []


def test_an_actor_that_stays_dead_is_given_up_after_two_minutes(fleet: Fleet, shards: FleetShards) -> None:
    fleet.answers = [ActorDiedError() for _ in range(10)]
    fleet.call_s = 1800
    with pytest.raises(ShardUnavailable, match="restarting"):
        shards.ask_patiently(0, BeginModel(SPEC, {}), timeout_s=WALK_TIMEOUT_S)
    assert len(fleet.answers) == 8


@pytest.mark.parametrize(
    "call",
    [
        lambda shards: shards.ask_each(BeginModel(SPEC, {})),
        lambda shards: shards.ask_each(DropReplaced("global")),
        lambda shards: shards.ask_each(CountPending({})),
    ],
)
def test_what_walks_through_the_collection_has_an_hour(
    fleet: Fleet, shards: FleetShards, call: Callable[[FleetShards], object]
) -> None:
    fleet.answers = [ActorDiedError(), "in_use", "in_use"]
    fleet.call_s = 1800
    call(shards)
    assert fleet.timeouts == [WALK_TIMEOUT_S] * 3


def test_other_calls_have_two_minutes(fleet: Fleet, shards: FleetShards) -> None:
    fleet.answers = [1, 2]
    assert [shards.ask(shard, CountPending({})) for shard in range(2)] == [1, 2]
    assert fleet.timeouts == [CALL_TIMEOUT_S] * 2


def test_a_model_waits_until_an_index_has_been_changed(fleet: Fleet, shards: FleetShards) -> None:
    fleet.answers = [Busy("an index is being changed"), Busy("an index is being changed"), "in_use", "in_use"]
    shards.adopt(SPEC, {})
    assert fleet.asked == [(0, "AdoptModel")] * 3 + [(1, "AdoptModel")]


def test_a_question_runs_on_the_threads_of_its_own_group(fleet: Fleet, shards: FleetShards) -> None:
    fleet.answers = ["one", "two"]
    shards.ask(0, Stats())
    shards.ask(0, DropReplaced("global"))
    assert fleet.groups == ["control", "upkeep"]


def test_what_the_shard_refuses_is_raised_at_once(fleet: Fleet, shards: FleetShards) -> None:
    fleet.answers = [InvalidRequest("no")]
    with pytest.raises(InvalidRequest):
        shards.ask_patiently(0, SwitchModel("global", "net-1"))

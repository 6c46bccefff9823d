"""What a shard's actor answers beside its shard's own answers, without Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storage.cluster import actor as shard_actor
from storage.cluster.actor import ShardActor
from storage.duplicates import fact_cache as remembered
from storage.duplicates.messages import NearQuery, NearQuestions
from storage.duplicates.picture_facts import NearMemory
from storage.encoding.mutation_messages import decode_results, encode_mutations
from storage.errors import InvalidField, ShardBroken, ShardUnavailable, UnknownFeature
from storage.operations.duplicates import Near, Walk
from storage.operations.pending import PendingPictures
from storage.operations.pictures import Original, Page
from storage.operations.reports import SearchAddress
from storage.shard.plan import ShardPlan, ShardSettings
from storage.types.mutations import MutationResult
from storage.types.pictures import PendingPage
from tests.unit.storage.samples import COLOR, SPECS, delete, inside, open_shard, put
from tests.unit.waiting import wait_for


@pytest.fixture
def plan(tmp_path: Path) -> ShardPlan:
    return ShardPlan(str(tmp_path / "shard"), 0, 1, ShardSettings(SPECS))


@pytest.fixture
def actor(plan: ShardPlan) -> Iterator[Any]:
    """Its methods are for Ray alone in the eyes of mypy."""
    made: Any = ShardActor(plan)
    wait_for(lambda: made._shard is not None, "the shard is open")
    yield made
    made.close()


@pytest.mark.slow
def test_what_has_expired_of_a_crowd_is_forgotten_when_nobody_asks(actor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "FEW", 1)
    actor.apply(encode_mutations([put(name, seed="x") for name in "abcd"]))
    [a, *_] = actor.ask(Walk("phash", 2, -1, 9))
    actor.ask(Near(NearQuestions("phash", 2, 64, (NearQuery("a", a.rank, a.views, 5, 5),))))
    memory: NearMemory = inside(actor._shard).near_memory
    tables = (memory.sizes, memory.ids, memory.views[2])
    handles = np.arange(2)
    memory.views[2].of(handles, lambda _: handles)
    assert all(one._table is not None for one in tables)
    for one in tables:
        one._until = 0.0
    wait_for(lambda: all(one._table is None for one in tables), "all is forgotten")


def test_one_of_two_holders_has_a_lease(actor: Any) -> None:
    assert actor.lease("fill", "a", 60)
    assert not actor.lease("fill", "b", 60)
    assert actor.lease("fill", "a", 60)


def test_waiting_pictures_are_listed_without_their_originals(actor: Any) -> None:
    original = b"the bytes of an upload"
    actor.apply(encode_mutations([put("a", pending=["color"], original=original, source=None), put("b")]))
    page = actor.ask(PendingPictures({"color": COLOR.fingerprint}, 0, 9))
    assert isinstance(page, PendingPage)
    assert [(image.id, image.source) for image in page.images] == [("a", None)]
    assert original not in repr(page).encode()
    assert actor.ask(Original("a")) == original


def test_pictures_near_to_one_another_are_walked_and_asked_for(actor: Any) -> None:
    actor.apply(encode_mutations([put("a", seed="x"), put("b", seed="x"), put("c")]))
    a, b, _ = actor.ask(Walk("phash", 2, -1, 9))
    [answer] = actor.ask(Near(NearQuestions("phash", 2, 64, (NearQuery("b", b.rank, b.views, 5, 5),))))
    assert [(one.id, one.distance) for one in (*answer.larger, *answer.nearest)] == [(a.id, 0), (a.id, 0)]
    assert isinstance(actor.ask(Walk("no such feature", 2, -1, 9)), UnknownFeature)


def test_mutations_of_different_callers_are_refused_one_by_one(actor: Any) -> None:
    encoded = actor.apply(encode_mutations([put("a"), delete("", "op"), put("b")]))
    first, refused, last = decode_results(encoded)
    assert isinstance(first, MutationResult)
    assert isinstance(refused, InvalidField)
    assert isinstance(last, MutationResult)
    assert (first.outcome, last.outcome) == ("created", "created")
    assert [row.id for row in actor.ask(Page(None, 9))] == ["a", "b"]


def test_where_it_can_be_searched_is_asked_like_anything_else(actor: Any) -> None:
    assert actor.ask(SearchAddress()) == actor._socket.address


def test_while_it_is_not_open_every_call_says_so(plan: ShardPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_actor, "LOCK_TIMEOUT_S", 0.0)
    monkeypatch.setattr(shard_actor, "REOPEN_PAUSE_S", 0.02)
    owner = open_shard(Path(plan.directory))
    waiting: Any = ShardActor(plan)
    wait_for(lambda: "in use" in str(waiting._failure), "the folder is another's")
    calls: tuple[Callable[[], Any], ...] = (
        lambda: waiting.apply(encode_mutations([put("a")])),
        lambda: waiting.ask(Page(None, 9)),
        lambda: waiting.lease("fill", "a", 60),
    )
    assert all(type(call()) is ShardUnavailable for call in calls), "it may still open"
    owner.close()
    wait_for(lambda: waiting.ask(Page(None, 9)) == [], "it opens once the folder is free")
    waiting.close()
    assert all("closed" in str(call()) for call in calls)


def test_a_shard_that_is_damaged_says_at_once_that_waiting_does_not_help(plan: ShardPlan) -> None:
    open_shard(Path(plan.directory)).close()
    for file in Path(plan.directory).rglob("data.mdb"):
        file.write_bytes(b"no store" * 4096)
    damaged: Any = ShardActor(plan)
    wait_for(lambda: isinstance(damaged.ask(Page(None, 9)), ShardBroken), "it says so")
    said = damaged.ask(Page(None, 9))
    assert "shard 0 cannot be opened" in said.message
    assert said.hint
    damaged.close()

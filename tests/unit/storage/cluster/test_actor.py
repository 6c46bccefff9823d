"""What a shard's actor answers beside its shard's own answers, without Ray."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storage.cluster.actor import ShardActor
from storage.cluster.plan import ShardPlan
from storage.duplicates import fact_cache as remembered
from storage.duplicates.messages import NearQuery, NearQuestions
from storage.duplicates.picture_facts import NearMemory
from storage.encoding.mutation_messages import encode_mutations
from storage.errors import UnknownFeature
from storage.types.pictures import PendingPage
from tests.unit.storage.samples import COLOR, SPECS, put
from tests.unit.waiting import wait_for


@pytest.fixture
def actor(tmp_path: Path) -> Iterator[Any]:
    """Its methods are for Ray alone in the eyes of mypy."""
    made: Any = ShardActor(ShardPlan(str(tmp_path / "shard"), 0, 1, SPECS))
    wait_for(lambda: made._shard is not None, "the shard is open")
    yield made
    made.close()


def test_what_has_expired_of_a_crowd_is_forgotten_when_nobody_asks(actor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "FEW", 1)
    actor.apply(encode_mutations([put(name, seed="x") for name in "abcd"]))
    [a, *_] = actor.walk("phash", 2, -1, 9)
    actor.near(NearQuestions("phash", 2, 64, (NearQuery("a", a.rank, a.views, 5, 5),)))
    memory: NearMemory = actor._shard._near_memory
    tables = (memory.sizes, memory.ids, memory.views)
    handles = np.arange(2)
    memory.views.of(handles, lambda _: handles)
    assert all(one._table is not None for one in tables)
    for one in tables:
        one._until = 0.0
    wait_for(lambda: all(one._table is None for one in tables), "all is forgotten")


def test_one_of_two_holders_has_a_lease(actor: Any) -> None:
    assert actor.lease("fill", "a", 60)
    assert not actor.lease("fill", "b", 60)
    assert actor.lease("fill", "a", 60)


def test_waiting_pictures_are_listed_without_their_originals(actor: Any) -> None:
    actor.apply(encode_mutations([put("a", pending=["color"], original=b"bytes", source=None), put("b")]))
    page = actor.pending_for({"color": COLOR.fingerprint}, 0, 9)
    assert isinstance(page, PendingPage)
    assert [(image.id, image.original) for image in page.images] == [("a", None)]
    assert actor.original("a") == b"bytes"


def test_pictures_near_to_one_another_are_walked_and_asked_for(actor: Any) -> None:
    actor.apply(encode_mutations([put("a", seed="x"), put("b", seed="x"), put("c")]))
    a, b, _ = actor.walk("phash", 2, -1, 9)
    [answer] = actor.near(NearQuestions("phash", 2, 64, (NearQuery("b", b.rank, b.views, 5, 5),)))
    assert [(one.id, one.distance) for one in (*answer.larger, *answer.nearest)] == [(a.id, 0), (a.id, 0)]
    assert isinstance(actor.walk("no such feature", 2, -1, 9), UnknownFeature)

"""What a shard's actor answers beside its shard's own answers, without Ray."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.mutation_wire import encode_mutations
from storage.shard_actor import ShardActor
from storage.shard_plan import ShardPlan
from storage.types import PendingPage
from tests.e2e.running_service import wait_for
from tests.unit.storage.samples import COLOR, SPECS, put


@pytest.fixture
def actor(tmp_path: Path) -> Iterator[Any]:
    """Its methods are for Ray alone in the eyes of mypy."""
    made: Any = ShardActor(ShardPlan(str(tmp_path / "shard"), 0, 1, SPECS))
    wait_for(lambda: made._shard is not None, "the shard is open")
    yield made
    made.close()


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

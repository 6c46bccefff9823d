"""Originals of uploads, kept for models that come later, or only as long as something is pending."""

from __future__ import annotations

from typing import Any

import pytest

from storage.shard.shard import Shard
from storage.tables.schema import ORIGINALS
from storage.types.mutations import PutImage
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.models import ONE, TWO, fill_seen, put_seen
from tests.unit.storage.samples import delete, fill, put


def upload(image_id: str, **options: Any) -> PutImage:
    return put(image_id, **{"original": b"bytes of " + image_id.encode(), "source": None, **options})


@pytest.fixture
def keeping(reopen: Reopen) -> Shard:
    return reopen(keeps_originals=True)


def originals(shard: Shard) -> int:
    with shard._store.read() as transaction:
        return transaction.count(ORIGINALS)


def test_originals_are_kept_for_good(reopen: Reopen, keeping: Shard) -> None:
    keeping.apply([upload("a"), upload("b", pending=["color"]), put("indexed")])
    keeping.apply([fill("b", ["color"])])
    shard = reopen(keeps_originals=True)
    assert [shard.original(name) for name in ("a", "b", "indexed", "nobody", "")] == [
        b"bytes of a",
        b"bytes of b",
        None,
        None,
        None,
    ]
    assert shard.pending(9) == []
    assert shard.verify().problems == ()


def test_an_original_goes_with_its_picture(keeping: Shard) -> None:
    keeping.apply([upload("a"), upload("b"), upload("c"), upload("d")])
    keeping.apply([delete("a")])
    keeping.apply([upload("b", seed="other", on_conflict="replace", original=b"others")])
    keeping.apply([put("c", seed="other", on_conflict="replace")])
    keeping.apply([upload("d", seed="other", on_conflict="skip", original=b"others")])
    assert [keeping.original(name) for name in "abcd"] == [None, b"others", None, b"bytes of d"]
    assert originals(keeping) == 2
    assert keeping.verify().problems == ()


def test_without_keeping_an_original_stays_only_while_something_is_pending(shard: Shard) -> None:
    shard.apply([upload("a"), upload("b", pending=["color"])])
    assert [shard.original(name) for name in "ab"] == [None, b"bytes of b"]
    shard.apply([fill("b", ["color"])])
    assert shard.original("b") is None
    assert originals(shard) == 0


def test_a_later_model_is_computed_from_what_was_kept(reopen: Reopen) -> None:
    options: dict[str, Any] = {"late": ["global"], "keeps_originals": True}
    shard = reopen(**options)
    shard.apply([upload("early")])
    shard.keeper.adopt(ONE, {})
    shard.apply([put_seen("a", ONE, original=b"bytes", source=None), fill_seen("early", ONE)])
    assert shard.pending(9) == []
    shard.keeper.begin(TWO, {})
    assert [(image.id, image.original) for image in shard.pending(9)] == [
        ("early", b"bytes of early"),
        ("a", b"bytes"),
    ]
    shard.apply([fill_seen("early", TWO), fill_seen("a", TWO)])
    shard.keeper.take_over("global", "net-2")
    shard.keeper.drop_replaced("global")
    assert [shard.original(name) for name in ("early", "a")] == [b"bytes of early", b"bytes"]
    assert reopen(**options).verify().problems == ()


def test_what_was_not_kept_cannot_be_computed_later(reopen: Reopen) -> None:
    shard = reopen(late=["global"])
    shard.apply([upload("waits", pending=["global"])])
    shard.keeper.adopt(ONE, {})
    shard.apply([fill_seen("waits", ONE)])
    shard.keeper.begin(TWO, {})
    assert shard.pending(9) == []
    assert shard.stats().generations["global"][1].pending == 1
    assert shard.verify().problems == ()


def test_a_generation_that_is_dropped_lets_go_of_the_originals_that_only_it_waited_for(reopen: Reopen) -> None:
    shard = reopen(late=["global"])
    shard.keeper.adopt(ONE, {})
    shard.apply([put_seen("a", TWO, original=b"bytes", source=None)])
    shard.keeper.begin(TWO, {})
    shard.apply([fill_seen("a", TWO)])
    assert shard.original("a") == b"bytes"
    shard.keeper.take_over("global", "net-2")
    shard.keeper.drop_replaced("global")
    assert shard.original("a") is None
    assert shard.verify().problems == ()


def test_a_shard_that_no_longer_keeps_them_is_still_sound(reopen: Reopen, keeping: Shard) -> None:
    keeping.apply([upload("a")])
    shard = reopen()
    assert shard.original("a") == b"bytes of a"
    shard.apply([upload("b"), upload("c", pending=["color"])])
    assert shard.verify().problems == ()
    shard.apply([delete("a"), fill("c", ["color"])])
    assert originals(shard) == 0
    assert shard.verify().problems == ()

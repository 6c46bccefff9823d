"""Originals of uploads, kept for models that come later, or only as long as something is pending."""

from __future__ import annotations

from typing import Any

import pytest

from storage.operations.models import AdoptModel, BeginModel, DropReplaced, SwitchModel
from storage.operations.pictures import Original
from storage.operations.reports import Stats, Verify
from storage.shard.shard import Shard
from storage.tables.schema import ORIGINALS
from storage.types.mutations import PutImage
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.models import ONE, TWO, fill_seen, put_seen
from tests.unit.storage.samples import applied, delete, fill, inside, put, waiting


def upload(image_id: str, **options: Any) -> PutImage:
    return put(image_id, **{"original": b"bytes of " + image_id.encode(), "source": None, **options})


@pytest.fixture
def keeping(reopen: Reopen) -> Shard:
    return reopen(keeps_originals=True)


def originals(shard: Shard) -> int:
    with inside(shard).store.read() as transaction:
        return transaction.count(ORIGINALS)


def test_originals_are_kept_for_good(reopen: Reopen, keeping: Shard) -> None:
    applied(keeping, [upload("a"), upload("b", pending=["color"]), put("indexed")])
    applied(keeping, [fill("b", ["color"])])
    shard = reopen(keeps_originals=True)
    assert [shard.ask(Original(name)) for name in ("a", "b", "indexed", "nobody", "")] == [
        b"bytes of a",
        b"bytes of b",
        None,
        None,
        None,
    ]
    assert waiting(shard, 9) == []
    assert shard.ask(Verify()).problems == ()


def test_an_original_goes_with_its_picture(keeping: Shard) -> None:
    applied(keeping, [upload("a"), upload("b"), upload("c"), upload("d")])
    applied(keeping, [delete("a")])
    applied(keeping, [upload("b", seed="other", on_conflict="replace", original=b"others")])
    applied(keeping, [put("c", seed="other", on_conflict="replace")])
    applied(keeping, [upload("d", seed="other", on_conflict="skip", original=b"others")])
    assert [keeping.ask(Original(name)) for name in "abcd"] == [None, b"others", None, b"bytes of d"]
    assert originals(keeping) == 2
    assert keeping.ask(Verify()).problems == ()


def test_without_keeping_an_original_stays_only_while_something_is_pending(shard: Shard) -> None:
    applied(shard, [upload("a"), upload("b", pending=["color"])])
    assert [shard.ask(Original(name)) for name in "ab"] == [None, b"bytes of b"]
    applied(shard, [fill("b", ["color"])])
    assert shard.ask(Original("b")) is None
    assert originals(shard) == 0


def test_a_later_model_is_computed_from_what_was_kept(reopen: Reopen) -> None:
    options: dict[str, Any] = {"late": ["global"], "keeps_originals": True}
    shard = reopen(**options)
    applied(shard, [upload("early")])
    shard.ask(AdoptModel(ONE, {}))
    applied(shard, [put_seen("a", ONE, original=b"bytes", source=None), fill_seen("early", ONE)])
    assert waiting(shard, 9) == []
    shard.ask(BeginModel(TWO, {}))
    assert [(image.id, shard.ask(Original(image.id))) for image in waiting(shard, 9)] == [
        ("early", b"bytes of early"),
        ("a", b"bytes"),
    ]
    applied(shard, [fill_seen("early", TWO), fill_seen("a", TWO)])
    shard.ask(SwitchModel("global", "net-2"))
    shard.ask(DropReplaced("global"))
    assert [shard.ask(Original(name)) for name in ("early", "a")] == [b"bytes of early", b"bytes"]
    assert reopen(**options).ask(Verify()).problems == ()


def test_what_was_not_kept_cannot_be_computed_later(reopen: Reopen) -> None:
    shard = reopen(late=["global"])
    applied(shard, [upload("waits", pending=["global"])])
    shard.ask(AdoptModel(ONE, {}))
    applied(shard, [fill_seen("waits", ONE)])
    shard.ask(BeginModel(TWO, {}))
    assert waiting(shard, 9) == []
    assert shard.ask(Stats()).versions["global"][1].pending == 1
    assert shard.ask(Verify()).problems == ()


def test_a_version_that_is_dropped_lets_go_of_the_originals_that_only_it_waited_for(reopen: Reopen) -> None:
    shard = reopen(late=["global"])
    shard.ask(AdoptModel(ONE, {}))
    applied(shard, [put_seen("a", TWO, original=b"bytes", source=None)])
    shard.ask(BeginModel(TWO, {}))
    applied(shard, [fill_seen("a", TWO)])
    assert shard.ask(Original("a")) == b"bytes"
    shard.ask(SwitchModel("global", "net-2"))
    shard.ask(DropReplaced("global"))
    assert shard.ask(Original("a")) is None
    assert shard.ask(Verify()).problems == ()


def test_a_shard_that_no_longer_keeps_them_is_still_sound(reopen: Reopen, keeping: Shard) -> None:
    applied(keeping, [upload("a")])
    shard = reopen()
    assert shard.ask(Original("a")) == b"bytes of a"
    applied(shard, [upload("b"), upload("c", pending=["color"])])
    assert shard.ask(Verify()).problems == ()
    applied(shard, [delete("a"), fill("c", ["color"])])
    assert originals(shard) == 0
    assert shard.ask(Verify()).problems == ()

"""Pages of pictures that wait: what is on them, and how one leads to the next."""

from __future__ import annotations

import pickle

import pytest

from storage.operations.models import AdoptModel, BeginModel
from storage.operations.pending import PendingPictures
from storage.operations.pictures import Original
from storage.shard.shard import Shard
from storage.tables import pending as pending_reads
from storage.types.mutations import PutImage
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.models import ONE, TWO, fill_seen, put_seen
from tests.unit.storage.samples import COLOR, PHASH, applied, fill, put

BY_COLOR = {"color": COLOR.fingerprint}


def upload(image_id: str, *pending: str) -> PutImage:
    return put(image_id, pending=pending, original=image_id.encode() * 10, source=None)


def names(shard: Shard, wanted: dict[str, str], start: int = 0, limit: int = 9) -> list[str]:
    return [image.id for image in shard.ask(PendingPictures(wanted, start, limit)).images]


def test_only_pictures_that_wait_for_what_is_asked_are_listed(shard: Shard) -> None:
    applied(shard, [upload("a", "color"), upload("b", "phash"), put("c", pending=["color"]), put("d")])
    assert names(shard, BY_COLOR) == ["a", "c"]
    assert names(shard, {"phash": PHASH.fingerprint}) == ["b"]
    assert names(shard, {"color": "another model"}) == []
    assert names(shard, {"nothing": ""}) == []
    applied(shard, [fill("a", ["color"], operation="fill a"), fill("c", ["color"], operation="fill c")])
    assert names(shard, BY_COLOR) == []


def test_originals_are_not_on_the_page(shard: Shard) -> None:
    applied(shard, [upload("uploaded", "color"), put("file", pending=["color"])])
    page = shard.ask(PendingPictures(BY_COLOR, 0, 9))
    uploaded, from_file = page.images
    assert uploaded.source is None
    assert shard.ask(Original(uploaded.id)) == b"uploaded" * 10
    assert b"uploaded" * 10 not in pickle.dumps(page)
    assert shard.ask(Original(from_file.id)) is None
    assert from_file.source is not None
    assert from_file.fingerprints == {"color": (COLOR.fingerprint,)}


def test_only_what_waits_for_the_very_model_is_listed(reopen: Reopen) -> None:
    shard = reopen(late=["global"], keeps_originals=True)
    applied(shard, [upload("early", "global")])
    assert names(shard, {"global": "net-1"}) == []  # no shard has a place for its rows yet
    shard.ask(AdoptModel(ONE, {}))
    applied(shard, [put_seen("a", ONE, original=b"bytes", source=None)])
    assert names(shard, {"global": "net-1"}) == ["early"]
    shard.ask(BeginModel(TWO, {}))
    applied(shard, [fill_seen("early", ONE)])
    assert names(shard, {"global": "net-1"}) == []
    assert names(shard, {"global": "net-2"}) == ["early", "a"]


def test_pages_lead_to_every_picture_though_some_go_meanwhile(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_reads, "MOST_LOOKED_AT", 3)
    applied(shard, [upload(f"{n}", "color" if n % 4 == 0 else "phash") for n in range(13)])
    found: list[str] = []
    start: int | None = 0
    calls = 0
    while start is not None:
        page = shard.ask(PendingPictures(BY_COLOR, start, 2))
        for image in page.images:
            applied(shard, [fill(image.id, ["color"], operation=f"fill {image.id}")])
        found += [image.id for image in page.images]
        start, calls = page.next_start, calls + 1
    assert found == ["0", "4", "8", "12"]
    assert calls == 5


def test_pages_of_uploads_lead_on_and_the_shard_has_their_originals(shard: Shard) -> None:
    applied(shard, [upload(name, "color") for name in "abcdefgh"] + [put("i", pending=["color"])])
    pages: list[list[str]] = []
    start: int | None = 0
    while start is not None:
        page = shard.ask(PendingPictures(BY_COLOR, start, 4))
        pages.append([image.id for image in page.images])
        assert all((shard.ask(Original(one.id)) is None) == (one.source is not None) for one in page.images)
        start = page.next_start
    assert pages == [list("abcd"), list("efgh"), ["i"]]

"""Pages of pictures that wait: what is on them, and how large they get."""

from __future__ import annotations

import pytest

from storage.operations.models import AdoptModel, BeginModel
from storage.operations.pending import PendingPictures
from storage.operations.pictures import Original
from storage.shard.shard import Shard
from storage.tables import pending as pending_reads
from storage.types.mutations import PutImage
from storage.types.pictures import PendingImage
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.models import ONE, TWO, fill_seen, put_seen
from tests.unit.storage.samples import COLOR, PHASH, applied, fill, put, waiting

BY_COLOR = {"color": COLOR.fingerprint}


def upload(image_id: str, *pending: str, size: int = 10) -> PutImage:
    return put(image_id, pending=pending, original=image_id.encode() * size, source=None)


def names(shard: Shard, wanted: dict[str, str], start: int = 0, limit: int = 9) -> list[str]:
    return [image.id for image in shard.ask(PendingPictures(wanted, start, limit)).images]


def backfill_pages(shard: Shard, limit: int) -> list[list[PendingImage]]:
    """As a backfill job goes through them: a page with fewer than it asked for is the last."""
    pages: list[list[PendingImage]] = []
    after: str | None = None
    while True:
        page = waiting(shard, limit, after)
        pages.append(page)
        if len(page) < limit:
            return pages
        after = page[-1].id


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
    uploaded, from_file = shard.ask(PendingPictures(BY_COLOR, 0, 9)).images
    assert (uploaded.original, uploaded.source) == (None, None)
    assert shard.ask(Original(uploaded.id)) == b"uploaded" * 10
    assert from_file.original is None
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


def test_a_page_with_originals_ends_early_and_still_leads_on(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_reads, "PAGE_BYTES", 250)
    applied(shard, [upload(name, "color", size=100) for name in "abcdefgh"] + [put("i", pending=["color"])])
    pages = backfill_pages(shard, 4)
    assert [[image.id for image in page if image.features] for page in pages] == [list("abc"), list("def"), list("ghi")]
    assert [len(page) for page in pages] == [4, 4, 3]
    rest = pages[0][3]
    assert (rest.id, rest.original, rest.source, dict(rest.fingerprints)) == ("c", None, None, {})


def test_an_original_larger_than_a_page_has_a_page_of_its_own(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_reads, "PAGE_BYTES", 5)
    applied(shard, [upload(name, "color") for name in "abc"])
    pages = backfill_pages(shard, 2)
    assert [[image.id for image in page if image.features] for page in pages] == [["a"], ["b"], ["c"], []]

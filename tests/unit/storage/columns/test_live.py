"""Filters and listings of a shard against a plain look at every row, while rows come, change and go."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from storage.columns import live
from storage.columns.live import LiveColumns
from storage.columns.matching import Matching
from storage.filters.fields import SORTABLE
from storage.filters.limits import names
from storage.filters.text_form import parse_filter
from storage.operations.pictures import ListedPage, Page
from storage.shard.shard import Shard
from storage.tables.schema import decode_image
from storage.types.features import FeatureRows
from storage.types.filters import Comparison, Filter, Not
from storage.types.listings import Listed, Sort, SortKey
from storage.types.mutations import DeleteImage, PutImage, UpdateSource
from storage.types.pictures import Exif, ImageRecord, SourceFile
from storage.types.searches import FeatureQuery, ShardQuery
from tests.unit.storage.columns.records import WORDS, made_up, matches
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.filters.made_up import filters
from tests.unit.storage.samples import PHASH, applied, inside, open_shard
from tests.unit.storage.words.word_samples import TEXT, words_feature
from tests.unit.waiting import wait_for

ANNOTATIONS = ("tags", "caption")

Rows = dict[str, tuple[ImageRecord, Sequence[str]]]


class Library:
    """No dataclass, all of whose rows Hypothesis would write out."""

    def __init__(self, shard: Shard, rows: Rows) -> None:
        self.shard = shard
        self.rows = rows


def put(record: ImageRecord, words: Sequence[str], rng: random.Random) -> PutImage:
    codes = np.frombuffer(rng.randbytes(72), np.uint8)[None]
    features = {"phash": FeatureRows(codes), "text": words_feature(words)}
    whole = replace(record, features={**dict.fromkeys(("phash", "text", *record.annotations), "ok")})
    return PutImage(f"{record.id} {rng.random()}", whole, features, b"", "replace")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A shard that was asked before half of its pictures came, changed or went."""
    rng, rows = random.Random(1), Rows()
    shard = open_shard(tmp_path_factory.mktemp("library") / "shard", (PHASH, TEXT), annotations=ANNOTATIONS)
    for number in range(200):
        if number == 60:
            listed(shard, None)
        record, words = made_up(rng, number), rng.choice(WORDS)
        applied(shard, [put(record, words, rng)])
        rows[record.id] = record, words
        if number % 3 == 0:  # the same id again, with another row
            changed, words = made_up(rng, number, id=record.id), rng.choice(WORDS)
            if changed.sha256 == record.sha256 or changed.source is not None:  # else parts of the old row would stay
                applied(shard, [DeleteImage(f"make room {number}", record.id)])
            applied(shard, [put(changed, words, rng)])
            rows[record.id] = changed, words
        if number % 10 == 0:
            applied(shard, [DeleteImage(f"delete {number}", record.id)])
            del rows[record.id]
    yield Library(shard, rows)
    shard.close()


def listed(shard: Shard, filter: Filter | None, sort: Sort = Sort(), limit: int = 1000) -> list[Listed]:
    return shard.ask(ListedPage(filter, sort, None, limit))


def wanted(rows: Rows, filter: Filter | None) -> list[str]:
    """Ids, in order."""
    speaks_of_missing = filter is not None and names(filter, "missing")
    return sorted(
        record.id
        for record, words in rows.values()
        if (filter is None or matches(filter, record, words)) and (speaks_of_missing or not record.missing)
    )


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filter=filters())
def test_a_filter_means_what_a_look_at_every_row_gives(library: Library, filter: Filter) -> None:
    shard, rows = library.shard, library.rows
    assert [one.record.id for one in listed(shard, filter)] == wanted(rows, filter)


@pytest.mark.parametrize("text", [None, "width >= 500", 'path ~ "img" and not tags = night', "missing = true"])
def test_a_search_finds_the_nearest_of_the_pictures_that_its_filter_means(library: Library, text: str | None) -> None:
    shard, rows = library.shard, library.rows
    filter = None if text is None else parse_filter(text)
    query = FeatureQuery("phash", np.zeros((1, 72), np.uint8), 1000)
    found = [hit.id for hit in shard.search([ShardQuery((query,), filter)])[0].hits["phash"]]
    assert sorted(found) == wanted(rows, filter)
    few = shard.search([ShardQuery((replace(query, k=3),), filter), ShardQuery((replace(query, k=2),))])
    assert [hit.id for hit in few[0].hits["phash"]] == found[:3]
    assert [rows[hit.id][0].missing for hit in few[1].hits["phash"]] == [False, False]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("name", SORTABLE)
def test_pages_in_any_order_hold_every_row_once(library: Library, name: str, descending: bool) -> None:
    shard, rows = library.shard, library.rows
    sort = Sort(name, ("rating",) if name == "metadata" else (), descending)
    seen: list[Listed] = []
    while page := shard.ask(ListedPage(None, sort, seen[-1].key if seen else None, 7)):
        seen += page
    assert sorted(one.record.id for one in seen) == wanted(rows, None)
    values = [one.key.value for one in seen]
    there = [value for value in values if value is not None]
    assert values == there + [None] * (len(values) - len(there))
    ranked = [(isinstance(value, str), value) for value in there]
    assert ranked == sorted(ranked, reverse=descending)
    for one, other in pairwise(seen):
        if one.key.value == other.key.value and name != "id":
            assert one.record.id < other.record.id


def test_what_changes_is_found_by_its_new_row_at_once(reopen: Reopen) -> None:
    rng = random.Random(2)
    shard = reopen((PHASH, TEXT), annotations=ANNOTATIONS)
    record = made_up(rng, 1, id="a", missing=False, source=SourceFile("/photos/2019/a.jpg", 1, 1), exif=None)
    applied(shard, [put(record, ["bridge"], rng)])
    places = {
        text: parse_filter(text) for text in ('folder = "2019"', 'folder = "2020"', "missing = true", "gps exists")
    }

    def found() -> set[str]:
        return {text for text, filter in places.items() if listed(shard, filter)}

    assert found() == {'folder = "2019"'}
    moved = UpdateSource("move", "a", record.sha256, SourceFile("/photos/2020/a.jpg", 1, 1), exif=Exif(gps=(1.0, 2.0)))
    applied(shard, [moved])
    assert found() == {'folder = "2020"', "gps exists"}
    applied(shard, [replace(moved, operation_id="gone", missing=True)])
    assert found() == {"missing = true"}
    assert not listed(shard, None)
    assert shard.ask(Page(None, 10, missing=False)) == []
    applied(shard, [DeleteImage("delete", "a")])
    assert found() == set()


def test_missing_pictures_are_still_left_out_when_the_shard_is_opened_again(reopen: Reopen) -> None:
    rng = random.Random(3)
    shard = reopen((PHASH, TEXT), annotations=ANNOTATIONS)
    applied(shard, [put(made_up(rng, number, missing=number == 1), [], rng) for number in range(3)])
    query = ShardQuery((FeatureQuery("phash", np.zeros((1, 72), np.uint8), 10),))
    assert len(shard.search([query])[0].hits["phash"]) == 2
    shard = reopen((PHASH, TEXT), annotations=ANNOTATIONS)
    assert len(shard.search([query])[0].hits["phash"]) == 2


def test_without_missing_pictures_a_search_without_a_filter_needs_no_columns(reopen: Reopen) -> None:
    rng = random.Random(4)
    shard = reopen((PHASH, TEXT), annotations=ANNOTATIONS)
    applied(shard, [put(made_up(rng, 1, missing=False), [], rng)])
    shard.search([ShardQuery((FeatureQuery("phash", np.zeros((1, 72), np.uint8), 10),))])
    assert inside(shard).columns.memory_bytes == 0


def test_a_mask_is_made_once_until_the_next_write(reopen: Reopen, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Filter] = []

    class Counting(Matching):
        def mask(self, filter: Filter) -> Any:
            made.append(filter)
            return super().mask(filter)

    monkeypatch.setattr(live, "Matching", Counting)
    rng = random.Random(5)
    shard = reopen((PHASH, TEXT), annotations=ANNOTATIONS)
    for number in range(2):
        applied(shard, [put(made_up(rng, number), [], rng)])
        for _ in range(3):
            listed(shard, parse_filter("width >= 1"))
        assert len(made) == number + 1


def test_masks_take_no_more_memory_than_they_may(reopen: Reopen) -> None:
    rng = random.Random(6)
    shard = reopen((PHASH, TEXT), annotations=ANNOTATIONS)
    applied(shard, [put(made_up(rng, number), [], rng) for number in range(50)])
    columns = LiveColumns(inside(shard).store, kept_bytes=500)
    for width in range(100):
        columns.masks([Comparison("width", "=", (width,))], None)
    assert columns._made.bytes <= 500


def test_filters_and_writes_beside_each_other_do_not_hinder_one_another(reopen: Reopen) -> None:
    rng = random.Random(7)
    shard = reopen((PHASH, TEXT), annotations=ANNOTATIONS)
    failures: list[BaseException] = []
    done = threading.Event()

    def ask() -> None:
        try:
            while not done.is_set():
                ids = [one.record.id for one in listed(shard, Not(Comparison("width", "=", (7,))))]
                assert ids == sorted(ids)
                query = FeatureQuery("phash", np.zeros((1, 72), np.uint8), 10)
                shard.search([ShardQuery((query,), Comparison("missing", "=", (False,)))])
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(60):
        applied(shard, [put(made_up(rng, number, id=f"{number % 20}"), [], rng)])
    done.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(listed(shard, Comparison("missing", "in", (True, False)))) == 20


def test_a_place_is_found_again_though_its_picture_is_gone(library: Library) -> None:
    shard, rows = library.shard, library.rows
    ids = wanted(rows, None)
    page = shard.ask(ListedPage(None, Sort(), SortKey(ids[3] + "!", ids[3] + "!"), 2))
    assert [one.record.id for one in page] == ids[4:6]


def test_columns_that_every_search_needs_are_built_when_the_shard_is_opened(reopen: Reopen) -> None:
    rng = random.Random(8)
    shard = reopen((PHASH, TEXT), annotations=ANNOTATIONS)
    applied(shard, [put(made_up(rng, number, missing=True), [], rng) for number in range(3)])
    shard = reopen((PHASH, TEXT), annotations=ANNOTATIONS)
    wait_for(lambda: inside(shard).columns.memory_bytes > 0, "the columns are built")


def test_a_shard_can_be_closed_while_its_columns_are_being_built(
    reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, begun, never, decode = random.Random(9), threading.Event(), threading.Event(), decode_image

    def slow(value: bytes) -> Any:
        begun.set()
        never.wait(0.01)
        return decode(value)

    shard = reopen((PHASH, TEXT), annotations=ANNOTATIONS)
    applied(shard, [put(made_up(rng, number, missing=True), [], rng) for number in range(1000)])
    monkeypatch.setattr(live, "decode_image", slow)
    shard = reopen((PHASH, TEXT), annotations=ANNOTATIONS)
    begun.wait(5)
    started = time.perf_counter()
    shard.close()
    assert time.perf_counter() - started < 5

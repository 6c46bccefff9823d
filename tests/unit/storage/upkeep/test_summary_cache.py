"""What is remembered of pictures, and that a reader of an earlier moment does not spoil it."""

from __future__ import annotations

import hashlib

import pytest

from storage.shard.search import answer_queries
from storage.shard.shard import Shard
from storage.types.mutations import FillFeatures
from storage.types.searches import ImageSummary, ShardQuery
from storage.upkeep.summary_cache import SummaryCache
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.samples import applied, ask, delete, fill, inside, picture_rows, put


@pytest.fixture
def shard(reopen: Reopen) -> Shard:
    shard = reopen(annotations=["caption"])
    applied(shard, [put("a", pending=["color"]), put("b")])
    return shard


def query(seed: str = "a") -> ShardQuery:
    return ask("phash", picture_rows(seed)["phash"].rows)


def say(text: str, image_id: str = "a") -> FillFeatures:
    digest = hashlib.sha256(image_id.encode()).hexdigest()
    return FillFeatures(f"say {text}", image_id, digest, {}, {"caption": text})


def shown(shard: Shard) -> ImageSummary:
    return shard.search([query()])[0].summaries["a"]


def test_a_reader_of_an_earlier_moment_leaves_later_readers_what_is_true(shard: Shard) -> None:
    with inside(shard).read() as (transaction, moment):
        applied(shard, [say("a dog")])
        before = answer_queries(transaction, moment, [query()], {None: None}, sample_size=10)[0].summaries[
            "a"
        ]  # after the write, from before it
        assert before.annotations == {}
    assert shown(shard).annotations == {"caption": "a dog"}


def test_a_later_reader_leaves_an_earlier_one_what_was_true(shard: Shard) -> None:
    with inside(shard).read() as (transaction, moment):
        applied(shard, [say("a dog")])
        assert shown(shard).annotations == {"caption": "a dog"}
        assert (
            answer_queries(transaction, moment, [query()], {None: None}, sample_size=10)[0].summaries["a"].annotations
            == {}
        )


def test_what_was_remembered_gives_way_to_a_row_that_changed_in_place(shard: Shard) -> None:
    assert shown(shard).annotations == {}
    applied(shard, [say("a dog")])
    assert shown(shard).annotations == {"caption": "a dog"}


def test_writes_that_change_no_row_that_is_shown_keep_what_is_remembered(shard: Shard) -> None:
    summaries = inside(shard).moment.summaries
    applied(shard, [put("c"), fill("a", ["color"])])
    applied(shard, [delete("b")])
    assert inside(shard).moment.summaries is summaries
    applied(shard, [say("a dog")])
    assert inside(shard).moment.summaries is not summaries


def test_it_stays_within_its_bound() -> None:
    cache = SummaryCache(capacity=3)
    for handle in range(10):
        cache.put(handle, (str(handle), b""))
    assert cache.get(9) is not None
    assert sum(cache.get(handle) is not None for handle in range(10)) <= 3

"""Searches of a shard: the nearest pictures, each once, the best of its views."""

from __future__ import annotations

import numpy as np
import pytest

from storage.keypoints.keypoint_rows import keypoint_feature
from storage.operations.pictures import Records
from storage.operations.reports import Stats, Verify
from storage.shard.search import search_feature
from storage.shard.shard import Shard
from storage.types.features import FeatureRows, FeatureSpec
from storage.types.mutations import PutImage
from storage.types.searches import FeatureQuery, ImageSummary, ShardQuery
from storage.upkeep.factory import build_index
from tests.suites.exact_index import plain_distances
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.samples import PHASH, applied, ask, find, picture_rows, put, record


@pytest.fixture
def full(shard: Shard) -> Shard:
    applied(shard, [put(f"i{number:02}") for number in range(30)])
    return shard


def test_hits_are_those_of_brute_force(full: Shard) -> None:
    for feature, metric in (("phash", "hamming"), ("color", "l1")):
        query = picture_rows("another")[feature].rows
        rows = {f"i{number:02}": picture_rows(f"i{number:02}")[feature].rows for number in range(30)}
        wanted = sorted((float(plain_distances(metric, query[0], row)[0]), name) for name, row in rows.items())[:7]  # type: ignore[arg-type]
        hits = full.search([ask(feature, query, 7)])[0].hits[feature]
        assert [hit.id for hit in hits] == [name for _, name in wanted]
        assert [hit.distance for hit in hits] == pytest.approx([distance for distance, _ in wanted], abs=1e-5)


def test_the_nearest_view_counts_and_is_told(full: Shard) -> None:
    mirrored = picture_rows("other")["phash"].rows
    as_given = picture_rows("i03")["phash"].rows
    (hit, *_) = full.search([ask("phash", np.concatenate([mirrored, as_given]))])[0].hits["phash"]
    assert (hit.id, hit.distance, hit.view) == ("i03", 0.0, 1)


def test_of_equal_views_the_first_is_told_and_a_picture_comes_once(full: Shard) -> None:
    row = picture_rows("i03")["phash"].rows
    hits = full.search([ask("phash", np.concatenate([row, row]), 30)])[0].hits["phash"]
    assert len(hits) == len({hit.id for hit in hits}) == 30
    assert {hit.view for hit in hits} == {0}


def test_equally_far_pictures_come_in_the_order_of_their_ids(shard: Shard) -> None:
    applied(shard, [put(name, seed="same") for name in ("c", "a", "b")])
    assert [hit.id for hit in find(shard, "same")] == ["a", "b", "c"]


def test_hits_beyond_the_greatest_distance_are_left_out(full: Shard) -> None:
    assert [hit.id for hit in find(full, "i05", max_distance=0)] == ["i05"]
    assert find(full, "nobody", max_distance=10) == []


def test_more_wanted_than_there_are_gives_all(full: Shard) -> None:
    assert len(find(full, "i05", k=10**9)) == 30


def test_an_empty_shard_finds_nothing(shard: Shard) -> None:
    assert find(shard, "a") == []


def test_the_answer_sums_up_every_hit(full: Shard) -> None:
    answer = full.search([ask("phash", picture_rows("i01")["phash"].rows, 3)])[0]
    assert set(answer.summaries) == {hit.id for hit in answer.hits["phash"]}
    (stored,) = full.ask(Records(("i01",)))
    assert stored is not None
    assert answer.summaries["i01"] == ImageSummary.of(stored)
    assert answer.summaries["i01"][:4] == (640, 480, stored.sha256, {"title": "i01"})
    assert answer.took_ms["phash"] > 0


def test_many_queries_at_once_give_what_each_gives_alone(full: Shard) -> None:
    queries = [
        ShardQuery(
            (
                FeatureQuery("phash", picture_rows(f"i{number:02}")["phash"].rows, number + 1),
                FeatureQuery("color", picture_rows(f"i{number:02}")["color"].rows, 5, 1.5),
            )
        )
        for number in range(6)
    ]
    for together, query in zip(full.search(queries), queries, strict=True):
        (alone,) = full.search([query])
        assert together.hits == alone.hits
        assert set(together.summaries) == set(alone.summaries)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (FeatureQuery("tags", np.zeros((1, 9), np.uint8), 3), "no feature 'tags'"),
        (FeatureQuery("phash", np.zeros((1, 9), np.uint8), 3), "rows are"),
        (FeatureQuery("phash", np.zeros((0, 72), np.uint8), 3), "no row"),
        (FeatureQuery("phash", np.zeros((1, 72), np.uint8), 0), "k is 0"),
        (FeatureQuery("phash", np.zeros((1, 72), np.uint8), -1), "k is -1"),
    ],
)
def test_what_cannot_be_searched_is_an_error_and_the_rest_is_answered(
    full: Shard, query: FeatureQuery, reason: str
) -> None:
    good = FeatureQuery("color", picture_rows("i07")["color"].rows, 1)
    broken, fine = full.search([ShardQuery((query, good)), ShardQuery((good,))])
    assert reason in broken.errors[query.feature]
    assert query.feature not in broken.hits
    assert broken.hits["color"] == fine.hits["color"]
    assert fine.errors == {}


def test_a_picture_with_many_rows_counts_once() -> None:
    spec = FeatureSpec("patches", "binary", 576, "hamming", "v1")
    row = picture_rows("a")["phash"].rows
    handles = np.repeat(np.arange(10, dtype=np.int64), 50)
    index = build_index(spec).with_changes(remove=handles[:0], add=handles, rows=row[[0] * 500])
    ((found, _),) = search_feature(index, [FeatureQuery("patches", row, 4)], None, sample_size=9, pictures=10)
    assert [one.handle for one in found] == [0, 1, 2, 3]


def keypoints_of_nothing() -> FeatureRows:
    none = np.zeros(0, np.float64)
    return keypoint_feature(np.zeros((0, 64), np.uint8), none.reshape(0, 2), none, none, (640, 480))


def test_a_picture_without_rows_of_a_feature_is_not_found_by_it(reopen: Reopen) -> None:
    local = FeatureSpec("local", "local", 128, "inliers", "v1")
    shard = reopen([PHASH, local])
    rows = {"phash": picture_rows("a")["phash"], "local": keypoints_of_nothing()}
    applied(shard, [PutImage("op", record("a", {"phash": "ok", "local": "ok"}), rows, b"")])
    assert [hit.id for hit in find(shard, "a")] == ["a"]
    assert shard.ask(Stats()).features["local"].rows == 0
    assert shard.ask(Verify()).problems == ()

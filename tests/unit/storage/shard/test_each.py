"""Pictures near to each of several: as far away as from the farthest of these, exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from storage.filters.text_form import parse_filter
from storage.shard.each import near_to_each
from storage.shard.search import QUERY_FRAME, Found
from storage.shard.shard import Shard
from storage.types.features import FeatureRows
from storage.types.searches import FeatureQuery, Hit, ShardQuery
from tests.suites.exact_index import plain_distances
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.samples import PHASH, applied, picture_rows, put
from tests.unit.storage.scenes import LOCAL, PICTURES, SIZE, joined, put_scene
from tests.unit.storage.scenes import query as scene_query
from tests.unit.storage.words.test_word_search import put_words
from tests.unit.storage.words.word_samples import TEXT, ask_words

METRICS = {"phash": "hamming", "color": "l1"}
QUERY = ("one", "another", "a third")


@pytest.fixture
def full(shard: Shard) -> Shard:
    applied(shard, [put(f"i{number:03}") for number in range(200)])
    return shard


def query(feature: str, k: int, max_distance: float | None = None) -> FeatureQuery:
    first, *others = (picture_rows(seed)[feature] for seed in QUERY)
    rows = [FeatureRows(one.rows if one.query_rows is None else one.query_rows) for one in (first, *others)]
    return FeatureQuery(feature, rows[0].rows, k, max_distance, others=tuple(rows[1:]))


def expected(feature: str) -> list[tuple[float, str]]:
    """By brute force."""
    found = []
    for number in range(200):
        stored = picture_rows(f"i{number:03}")[feature].rows
        of_each = []
        for seed in QUERY:
            own = picture_rows(seed)[feature]
            views = own.rows if own.query_rows is None else own.query_rows
            of_each.append(min(plain_distances(METRICS[feature], view, stored)[0] for view in views))  # type: ignore[arg-type]
        found.append((float(max(of_each)), f"i{number:03}"))
    return sorted(found)


def hits(shard: Shard, query: FeatureQuery, filter: str | None = None) -> tuple[Hit, ...]:
    asked = ShardQuery((query,), None if filter is None else parse_filter(filter))
    [answer] = shard.search([asked])
    return answer.hits[query.feature]


@pytest.mark.parametrize("feature", ["phash", "color"])
@pytest.mark.parametrize("k", [1, 7, 200, 1000])
def test_they_are_those_of_brute_force(full: Shard, feature: str, k: int) -> None:
    found = hits(full, query(feature, k))
    assert [hit.distance for hit in found] == sorted(hit.distance for hit in found)
    assert sorted(hit.id for hit in found) == sorted(name for _, name in expected(feature)[:k])
    assert [hit.distance for hit in found] == pytest.approx([far for far, _ in expected(feature)[:k]], abs=1e-5)


def test_filters_and_the_greatest_distance_hold(full: Shard) -> None:
    wanted = [(far, name) for far, name in expected("phash") if name >= "i100"]
    found = hits(full, query("phash", 50, wanted[9][0]), 'id in ["' + '", "'.join(name for _, name in wanted) + '"]')
    assert sorted(hit.id for hit in found) == sorted(name for far, name in wanted if far <= wanted[9][0])


def test_lists_are_only_as_long_as_they_must_be() -> None:
    asked: list[int] = []

    def search(queries: list[FeatureQuery]) -> list[list[Found]]:
        asked.append(queries[0].k)
        distances = [[float(number) for number in range(500)], [float(abs(number - 30)) for number in range(500)]]
        return [
            sorted((Found(handle, far, 0) for handle, far in enumerate(own)), key=lambda one: one.distance)[: one.k]
            for own, one in zip(distances, queries, strict=True)
        ]

    row = np.zeros((1, 72), np.uint8)
    found = near_to_each(FeatureQuery("phash", row, 3, others=(FeatureRows(row),)), search, 500)
    assert [one.handle for one in found] == [15, 14, 16]
    assert asked == [3, 12, 48]


def test_an_answer_to_a_query_of_which_a_part_is_wrong_says_why(full: Shard) -> None:
    row = picture_rows("one")["phash"].rows
    [answer] = full.search([ShardQuery((FeatureQuery("phash", row, 3, others=(FeatureRows(row[:, :9]),)),))])
    assert "rows are" in answer.errors["phash"]


def test_a_picture_near_to_each_by_keypoints_shows_all_of_them(reopen: Reopen) -> None:
    both = joined([PICTURES[1], PICTURES[4].taken(slice(0, 40))])
    shard = reopen([LOCAL])
    applied(shard, [put_scene("first", PICTURES[1]), put_scene("second", PICTURES[4]), put_scene("both", both)])
    first, second = scene_query(PICTURES[1]), scene_query(PICTURES[4])
    [hit] = hits(shard, replace(first, others=(FeatureRows(second.rows, extras=second.extras),)))
    assert (hit.id, hit.distance) == ("both", 40)
    assert hit.evidence[QUERY_FRAME] == [1, *SIZE]


def test_a_picture_near_to_each_by_words_has_the_words_of_all_of_them(reopen: Reopen) -> None:
    shard = reopen((PHASH, TEXT))
    shelves = {"poster": "the red circle and the blue square", "sign": "red circle", "board": "a blue square"}
    applied(shard, [put_words(image_id, words.split()) for image_id, words in shelves.items()])
    red, blue = ask_words("red circle"), ask_words("blue square")
    assert [hit.id for hit in hits(shard, replace(red, others=(FeatureRows(blue.rows, extras=blue.extras),)))] == [
        "poster"
    ]

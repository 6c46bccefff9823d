"""Merging: ranks, scores, ties, and that nothing depends on the order in which shards answered."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.judging.strangers import Strangers
from graph.requests.messages import SearchResult
from graph.search.ranking import AskedFeature, merge, ranked, result_of
from storage.types.features import Metric
from storage.types.searches import Hit, ImageSummary

Lists = dict[str, list[list[Hit]]]

OF_FILE = ({"caption": "x"}, "/photos/x", 9, "2019-06-01T10:11:12", "Canon EOS 5D", (1.0, 2.0), True)

METRICS: dict[str, Metric] = {"phash": "hamming", "color": "l1", "global": "cosine", "local": "inliers"}


def summaries_of(hits: Lists, sha256: dict[str, str] | None = None) -> dict[str, ImageSummary]:
    ids = {hit.id for lists in hits.values() for one in lists for hit in one}
    return {
        image_id: ImageSummary(640, 480, (sha256 or {}).get(image_id, f"sha-{image_id}"), {"of": image_id}, *OF_FILE)
        for image_id in ids
    }


def merged(
    hits: Lists,
    k: int = 10,
    weights: dict[str, float] | None = None,
    *,
    sha256: dict[str, str] | None = None,
    query_sha256: str | None = None,
    view_name: Callable[[int], str] | None = None,
) -> tuple[SearchResult, ...]:
    asked = [
        AskedFeature(name, METRICS[name], lists, (weights or {}).get(name, 1.0), view_name)
        for name, lists in hits.items()
    ]
    summaries = summaries_of(hits, sha256)
    exact = {image_id for image_id, summary in summaries.items() if summary.sha256 == query_sha256}
    candidates = merge(asked, depth=100, exact=exact)
    return tuple(result_of(candidate, summaries[candidate.id]) for candidate in candidates[:k])


def ids(results: tuple[SearchResult, ...]) -> list[str]:
    return [result.id for result in results]


def test_the_first_in_every_asked_feature_scores_one() -> None:
    results = merged({"phash": [[Hit("a", 0), Hit("b", 9)]], "color": [[Hit("a", 0.0), Hit("b", 0.5)]]})
    assert results[0].id == "a"
    assert results[0].score == 1.0
    assert results[1].score == pytest.approx(61 / 62, abs=1e-6)


def test_a_result_shows_what_is_known_of_the_picture() -> None:
    [found] = merged({"phash": [[Hit("a", 0)]]})
    assert (found.width, found.height, found.metadata) == (640, 480, {"of": "a"})
    of_file = (found.annotations, found.path, found.bytes, found.taken_at, found.camera, found.gps, found.missing)
    assert of_file == OF_FILE


def test_a_picture_that_one_of_two_features_found_scores_half() -> None:
    results = merged({"phash": [[Hit("a", 0)]], "color": [[]]})
    assert results[0].score == 0.5


def test_equal_distances_share_a_rank_and_the_next_rank_skips() -> None:
    hits = [Hit("a", 1), Hit("b", 2), Hit("c", 2), Hit("d", 3)]
    entries = ranked(AskedFeature("phash", "hamming", [hits]), 9)
    assert [entry.rank for entry in entries] == [1, 2, 2, 4]


def test_shard_lists_are_merged_by_distance_then_view_then_id() -> None:
    shards = [[Hit("b", 4), Hit("z", 7)], [Hit("c", 4, view=1), Hit("a", 4)]]
    assert [entry.hit.id for entry in ranked(AskedFeature("phash", "hamming", shards), 3)] == ["a", "b", "c"]


def test_the_same_bytes_come_first_among_equals() -> None:
    hits: Lists = {"phash": [[Hit("a", 0), Hit("z", 0)]]}
    results = merged(hits, 2, sha256={"z": "query"}, query_sha256="query")
    assert ids(results) == ["z", "a"]


def test_the_same_bytes_survive_the_cut_at_k_among_equals() -> None:
    hits: Lists = {"phash": [[Hit("a", 0), Hit("z", 0)]]}
    results = merged(hits, 1, sha256={"z": "query"}, query_sha256="query")
    assert ids(results) == ["z"]


def test_more_matched_features_win_a_tied_score() -> None:
    hits: Lists = {"phash": [[Hit("a", 0)]], "color": [[Hit("a", 0.1)], [Hit("b", 0.1)]]}
    assert ids(merged(hits, weights={"phash": 0.0})) == ["a", "b"]


def test_the_view_as_given_wins_over_a_mirrored_one() -> None:
    assert ids(merged({"phash": [[Hit("a", 3, view=1), Hit("b", 3, view=0)]]})) == ["b", "a"]


def test_weights_turn_the_order() -> None:
    hits: Lists = {"phash": [[Hit("a", 0), Hit("b", 9)]], "color": [[Hit("b", 0.0), Hit("a", 0.5)]]}
    assert ids(merged(hits, weights={"phash": 2.0})) == ["a", "b"]
    assert ids(merged(hits, weights={"color": 2.0})) == ["b", "a"]


def test_weights_of_zero_still_answer_with_evidence() -> None:
    [result] = merged({"phash": [[Hit("a", 4)]]}, weights={"phash": 0.0})
    assert result.score == 0.0
    assert result.matches["phash"]["distance"] == 4


def test_inliers_count_upwards_and_are_shown_under_their_name() -> None:
    results = merged({"local": [[Hit("few", 9), Hit("many", 83)]]})
    assert ids(results) == ["many", "few"]
    assert results[0].matches["local"] == {"inliers": 83, "rank": 1, "farther": None}


@pytest.mark.parametrize(("metric", "near", "far"), [("hamming", 4.0, 9.0), ("inliers", 83.0, 9.0)])
def test_evidence_tells_the_share_of_the_collection_that_is_farther(metric: Metric, near: float, far: float) -> None:
    sign = -1 if metric == "inliers" else 1
    strangers = Strangers.of_found(np.array([sign * near, sign * far], np.float32), 8)
    feature = AskedFeature("one", metric, [[Hit("near", near), Hit("far", far)]], strangers=strangers)
    summaries = summaries_of({"one": [list(feature.shard_hits[0])]})
    results = [result_of(candidate, summaries[candidate.id]) for candidate in merge([feature], depth=2)]
    assert [(result.id, result.matches["one"]["farther"]) for result in results] == [("near", 0.875), ("far", 0.75)]


def test_evidence_has_distance_rank_view_and_what_the_feature_adds() -> None:
    hits: Lists = {"phash": [[Hit("a", 4.0, view=1, evidence={"box": [[0, 0]]})]], "color": [[Hit("a", 0.1234567891)]]}
    [result] = merged(hits, view_name=lambda view: f"view-{view}")
    assert result.matches["phash"] == {
        "distance": 4,
        "rank": 1,
        "farther": None,
        "view": "view-1",
        "box": [[0, 0]],
    }
    assert isinstance(result.matches["phash"]["distance"], int)
    assert result.matches["color"]["distance"] == 0.1234568


def test_results_carry_the_summary() -> None:
    [result] = merged({"phash": [[Hit("a", 0)]]})
    assert (result.width, result.height, result.metadata) == (640, 480, {"of": "a"})


def test_no_hits_give_no_results() -> None:
    assert merged({"phash": [[], []]}) == ()
    assert merged({}) == ()


hit_lists = st.lists(
    st.tuples(st.sampled_from("abcdefghijkl"), st.integers(0, 6).map(float), st.integers(0, 1)).map(
        lambda hit: Hit(*hit)
    ),
    max_size=12,
    unique_by=lambda hit: hit.id,
)
searches = st.dictionaries(st.sampled_from(["phash", "color", "global"]), st.lists(hit_lists, max_size=3), max_size=3)
some_weights = st.dictionaries(st.sampled_from(["phash", "color", "global"]), st.floats(0, 10))


@pytest.mark.slow
@given(searches, some_weights, st.integers(1, 8), st.randoms())
def test_the_order_of_shards_hits_and_features_does_not_matter(
    hits: Lists, weights: dict[str, float], k: int, shuffler: random.Random
) -> None:
    names = list(hits)
    shuffler.shuffle(names)
    other: Lists = {}
    for name in names:
        lists = [shuffler.sample(one, len(one)) for one in hits[name]]
        shuffler.shuffle(lists)
        other[name] = lists
    assert merged(hits, k, weights) == merged(other, k, weights)


@given(searches, some_weights, st.integers(1, 8))
def test_scores_fall_lie_between_zero_and_one_and_stop_at_k(hits: Lists, weights: dict[str, float], k: int) -> None:
    results = merged(hits, k, weights)
    scores = [result.score for result in results]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert len(results) <= k
    assert len(set(ids(results))) == len(results)


@given(hit_lists, st.integers(1, 8))
def test_with_one_feature_the_order_is_that_of_the_distances(hits: list[Hit], k: int) -> None:
    results = merged({"phash": [hits]}, k)
    nearest = sorted(hit.distance for hit in hits)[:k]
    assert [result.matches["phash"]["distance"] for result in results] == nearest


@pytest.mark.slow
@given(hit_lists.filter(lambda hits: len(hits) > 1), hit_lists, st.integers(0, 20))
def test_coming_nearer_never_lowers_a_score(phash: list[Hit], color: list[Hit], index: int) -> None:
    moved = phash[index % len(phash)]
    nearer = [Hit(hit.id, -1.0, hit.view) if hit is moved else hit for hit in phash]
    before = {result.id: result.score for result in merged({"phash": [phash], "color": [color]}, 50)}
    after = {result.id: result.score for result in merged({"phash": [nearer], "color": [color]}, 50)}
    assert after[moved.id] >= before[moved.id]

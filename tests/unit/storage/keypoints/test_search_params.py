"""What a search by keypoints may be asked for has its effect, and all else is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from storage.errors import InvalidField
from storage.keypoints.search import CANDIDATES, LocalParams, locate
from storage.shard.checks import check_query
from storage.tables.model_versions import ModelVersions
from storage.types.features import FeatureRows
from tests.unit.storage.scenes import (
    LOCAL,
    PICTURES,
    feature,
    index_of,
    joined,
    mirrored,
    query,
    scene,
    search,
    seen,
    similarity,
)


def test_fewer_consistent_keypoints_than_wanted_are_not_found() -> None:
    asked = joined([PICTURES[6].taken(slice(0, 12)), scene(70, count=60)])
    (found,) = search(query(asked))
    assert (found.handle, found.inliers) == (6, 12)
    assert search(query(asked, min_inliers=12)) != []
    assert search(query(asked, min_inliers=13)) == []


def test_eight_consistent_keypoints_are_wanted_where_nothing_is_said() -> None:
    for count, handles in ((7, []), (8, [6])):
        asked = joined([PICTURES[6].taken(slice(0, count)), scene(70, count=60)])
        assert [one.handle for one in search(query(asked))] == handles
    asked = joined([PICTURES[6].taken(slice(0, 5)), scene(70, count=60)])
    assert [one.handle for one in search(query(asked, min_inliers=4))] == [6]


def test_the_mirrored_side_is_not_asked_where_it_is_not_wanted() -> None:
    asked = mirrored(PICTURES[6])
    assert [one.handle for one in search(query(asked))] == [6]
    assert search(query(asked, mirror=False)) == []
    assert [one.handle for one in search(query(PICTURES[6], mirror=False))] == [6]


def test_only_so_many_candidates_are_checked_those_with_most_votes() -> None:
    scattered = replace(PICTURES[6], points=scene(71, count=80).points)
    stored = {1: scattered, 2: joined([PICTURES[6].taken(slice(0, 20)), scene(72, count=60)])}
    asked = seen(PICTURES[6], similarity())
    assert [one.handle for one in search(query(asked, k=1), stored)] == [2]
    assert search(query(asked, k=1, candidates=1), stored) == []


def test_the_ratio_says_how_clearly_the_nearest_must_be_nearer() -> None:
    picture = PICTURES[6]
    elsewhere = scene(73, count=80).points
    twins = replace(seen(picture, similarity(), noise=4, seed=3), points=elsewhere)
    stored = {1: joined([picture, twins]), **{number: PICTURES[number] for number in range(2, 5)}}
    asked = seen(picture, similarity(), noise=3, seed=4)
    assert search(query(asked, ratio=0.5), stored) == []
    assert [one.handle for one in search(query(asked, ratio=1.0), stored)] == [1]


BAD = [
    ({"min_inliers": 3}, "min_inliers of local cannot be 3", "4 to 1000"),
    ({"min_inliers": 1001}, "cannot be 1001", "4 to 1000"),
    ({"min_inliers": 8.0}, "cannot be 8.0", "a whole number"),
    ({"min_inliers": True}, "cannot be True", "a whole number"),
    ({"mirror": 1}, "mirror of local cannot be 1", "true or false"),
    ({"mirror": "yes"}, "cannot be 'yes'", "true or false"),
    ({"candidates": 0}, "candidates of local cannot be 0", "1 to 500"),
    ({"candidates": 501}, "cannot be 501", "1 to 500"),
    ({"ratio": 0.49}, "ratio of local cannot be 0.49", "0.5 to 1"),
    ({"ratio": 1.01}, "cannot be 1.01", "0.5 to 1"),
    ({"ratio": float("nan")}, "cannot be nan", "0.5 to 1"),
    ({"ratio": True}, "cannot be True", "0.5 to 1"),
    ({"ratio": None}, "cannot be None", "0.5 to 1"),
    ({"inliers": 8}, "no parameter 'inliers'", "min_inliers, mirror, candidates, ratio"),
]


@pytest.mark.parametrize(("params", "message", "allowed"), BAD, ids=[str(params) for params, *_ in BAD])
def test_a_bad_parameter_is_refused_with_what_is_allowed(params: dict[str, Any], message: str, allowed: str) -> None:
    with pytest.raises(InvalidField) as refusal:
        LocalParams.of(params)
    assert message in refusal.value.message
    assert allowed in refusal.value.hint
    assert check_query(query(PICTURES[1], **params), ModelVersions.of([LOCAL])) == refusal.value.message


def test_the_ends_of_every_range_are_allowed() -> None:
    assert LocalParams.of({}) == LocalParams(8, True, 24, 0.85)
    params = {"min_inliers": 1000, "mirror": False, "candidates": 500, "ratio": 1}
    assert LocalParams.of(params) == LocalParams(1000, False, 500, 1)
    assert LocalParams.of({"min_inliers": 4, "candidates": 1, "ratio": 0.5}) == LocalParams(4, True, 1, 0.5)


@pytest.mark.parametrize("k", [1, 3, 24, 50, 100])
def test_how_many_are_wanted_does_not_change_how_many_are_checked(k: int) -> None:
    stored = {number: scene(200 + number, count=9) for number in range(40)}
    asked, index = joined(list(stored.values())), index_of(stored)
    for params, checked in (({}, CANDIDATES), ({"candidates": 30}, 30)):
        looked_at: list[int] = []

        def feature_of(handle: int, looked_at: list[int] = looked_at) -> FeatureRows:
            looked_at.append(handle)
            return feature(stored[handle])

        found = locate(index, query(asked, k=k, **params), feature_of)
        assert len(looked_at) == checked
        assert len(found) == min(k, checked)

"""Matches are mutual and distinct, and a view is believed only where a camera could have had it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from storage.keypoints.alignment import (
    LEAST_MATCHES,
    RATIO,
    Alignment,
    DescribedKeypoints,
    Places,
    _is_a_view,
    align,
    match,
    squared_distances,
)
from storage.keypoints.plane_maps import Floats, transfer_errors, transformed
from tests.unit.storage.scenes import Scene, joined, mirrored, scene, seen, similarity

CORNERS = np.array([[0, 0], [640, 0], [640, 480], [0, 480]], np.float64)


def plain_match(query: NDArray[np.float32], stored: NDArray[np.float32], ratio: float) -> list[tuple[int, int]]:
    """The definition, pair by pair."""
    found = []
    for i, vector in enumerate(query):
        distances = [float(np.linalg.norm(vector - other)) for other in stored]
        nearest, second = np.argsort(distances)[:2]
        back = [float(np.linalg.norm(stored[nearest] - other)) for other in query]
        if int(np.argmin(back)) == i and distances[nearest] < ratio * distances[second]:
            found.append((i, int(nearest)))
    return found


def vectors_only(vectors: NDArray[np.float32]) -> DescribedKeypoints:
    none = np.zeros(len(vectors))
    return DescribedKeypoints(vectors, np.zeros((len(vectors), 2)), none, none)


def some_alike(seed: int) -> tuple[DescribedKeypoints, DescribedKeypoints]:
    """Thirty vectors of which some resemble some of forty others, more or less."""
    rng = np.random.default_rng(seed)
    stored = rng.normal(0, 1, (40, 8)).astype(np.float32)
    query = rng.normal(0, 1, (30, 8)).astype(np.float32)
    query[:20] = stored[rng.permutation(40)[:20]] + rng.normal(0, 0.5, (20, 8))
    return vectors_only(query), vectors_only(stored)


@pytest.mark.parametrize("ratio", [0.5, RATIO, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_matches_are_each_others_nearest_and_clearly_nearer_than_the_next(seed: int, ratio: float) -> None:
    query, stored = some_alike(seed)
    wanted = plain_match(query.vectors, stored.vectors, ratio)
    assert [tuple(pair) for pair in match(query, stored, ratio=ratio).tolist()] == wanted
    assert wanted


def test_distances_at_hand_are_used_as_they_are() -> None:
    query, stored = some_alike(0)
    squared = squared_distances(query.vectors, stored.vectors)
    np.testing.assert_array_equal(match(query, stored, squared), match(query, stored))
    assert len(match(query, stored, np.ones_like(squared))) == 0


@pytest.mark.parametrize(("asked", "kept"), [(0, 5), (1, 5), (5, 0), (5, 1)])
def test_fewer_than_two_keypoints_match_nothing(asked: int, kept: int) -> None:
    vectors = np.eye(5, dtype=np.float32)
    assert match(vectors_only(vectors[:asked]), vectors_only(vectors[:kept])).shape == (0, 2)


def test_squared_distances_of_levels_are_exact() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 16, (20, 128)), rng.integers(0, 16, (30, 128))
    wanted = np.square(a[:, None] - b).sum(axis=2)
    np.testing.assert_array_equal(squared_distances(a.astype(np.float32), b.astype(np.float32)), wanted)


def matched(query: Scene, stored: Scene) -> tuple[DescribedKeypoints, DescribedKeypoints, Places]:
    """The first keypoints of one matched with the first of the other, in order."""
    return query.described(), stored.described(), np.stack([np.arange(len(query.points))] * 2, axis=1)


def jittered(picture: Scene, by: float, seed: int = 0) -> Scene:
    return replace(picture, points=picture.points + np.random.default_rng(seed).normal(0, by, picture.points.shape))


def corner_error(found: Alignment | None, wanted: Floats) -> float:
    assert found is not None
    return float(transfer_errors(found.homography, CORNERS, transformed(wanted, CORNERS)).max())


WIDE = (4000, 4000)  # a frame that has room for every view below


@pytest.mark.parametrize("turn", [0.0, 0.5, np.pi / 2, 3.0, -2.0])
@pytest.mark.parametrize("scale", [0.4, 1.0, 2.5])
def test_a_view_is_found_among_twice_as_many_wrong_matches(turn: float, scale: float) -> None:
    stored, wanted = scene(1, count=120), similarity(scale, turn, (1900, 1900))
    right = jittered(seen(stored, wanted, WIDE), 0.1 * scale)
    wrong = replace(scene(2, count=80, size=WIDE), size=WIDE)
    query = joined([right.taken(slice(0, 40)), wrong])
    found = align(*matched(query, stored))
    assert found is not None
    assert corner_error(found, wanted) < 1.0 * max(scale, 1)
    assert found.inliers == len(found.pairs) >= 38
    assert (found.pairs[:, 0] < 40).all()
    assert found.homography[2, 2] == pytest.approx(1)


def test_a_view_in_perspective_is_found() -> None:
    stored = scene(3, count=80)
    wanted = np.array([[0.95, 0.1, 20], [-0.05, 1.05, 10], [2e-4, -1e-4, 1.0]])
    query = replace(stored, points=transformed(wanted, stored.points))
    assert corner_error(align(*matched(query, stored)), wanted) < 1


@pytest.mark.parametrize("seed", range(10))
def test_matches_by_chance_are_no_view(seed: int) -> None:
    found = align(*matched(scene(seed, count=150), scene(seed + 100, count=150)))
    assert found is None or found.inliers < 8


def test_a_mirrored_picture_is_no_view_of_it() -> None:
    stored = scene(4, count=60)
    upright = replace(stored, angles=np.zeros(60))
    found = align(*matched(replace(mirrored(stored), angles=np.zeros(60)), upright))
    assert found is None or found.inliers < 8


@pytest.mark.parametrize("flattening", [0.0, 1e-3, 0.1])
def test_a_picture_shrunken_to_a_line_is_no_view_of_it(flattening: float) -> None:
    stored = scene(5, count=60)
    query = replace(stored, points=stored.points * [1, flattening] + [0, 100])
    assert align(*matched(query, stored)) is None


def test_a_picture_shrunken_to_a_point_is_no_view_of_it() -> None:
    stored = scene(6, count=60)
    assert align(*matched(replace(stored, points=np.full((60, 2), 50.0)), stored)) is None
    assert align(*matched(replace(stored, points=stored.points / 100, sigmas=stored.sigmas / 100), stored)) is None


def test_a_place_counts_once_whatever_its_directions() -> None:
    stored = scene(7, count=30)
    query = joined([stored, replace(stored, angles=stored.angles + 0.2)])
    twice = np.concatenate([np.arange(30), np.arange(30)])
    for pairs in (np.stack([np.arange(60), twice], axis=1), np.stack([twice, np.arange(60)], axis=1)):
        other = joined([stored, stored])
        found = align(query.described(), other.described(), pairs)
        assert found is not None
        assert found.inliers == 30
        for side in (0, 1):
            assert len(set((found.pairs[:, side] % 30).tolist())) == 30


def test_a_place_counts_once_whoever_is_matched_with_it() -> None:
    stored = scene(7, count=30)
    query = joined([stored, replace(stored, points=stored.points + np.array([1.2, 0.0]))])
    pairs = np.stack([np.arange(60), np.tile(np.arange(30), 2)], axis=1)
    for one, other, matches in ((query, stored, pairs), (stored, query, pairs[:, ::-1])):
        found = align(one.described(), other.described(), matches)
        assert found is not None
        assert found.inliers == 30


AXES = np.array([[100.0, 100.0], [300.0, 100.0], [100.0, 300.0], [300.0, 250.0]])


@pytest.mark.parametrize(
    ("homography", "possible"),
    [
        (np.eye(3), True),
        (similarity(0.1, 2.0, (5, 5)), True),
        (np.array([[1, 0, 0], [0, 1, 0], [2e-3, 1e-3, 1.0]]), True),
        (np.array([[-1, 0, 640], [0, 1, 0], [0, 0, 1.0]]), False),
        (np.array([[1, 0, 0], [0, 1, 0], [-5e-3, 0, 1.0]]), False),
        (np.array([[1, 0, 0], [0, 0.1, 0], [0, 0, 1.0]]), False),
        (np.array([[1, 0, 0], [0, 0, 9], [0, 0, 1.0]]), False),
        (similarity(0.02), False),
        (similarity(50.0), False),
    ],
    ids=["itself", "turned", "from aside", "mirrored", "folded over", "flattened", "a line", "a point", "a pixel"],
)
def test_only_what_a_camera_could_see_is_a_view(homography: Floats, possible: bool) -> None:
    assert _is_a_view(homography, AXES) == possible


def test_keypoints_whose_turn_or_size_disagrees_are_left_out() -> None:
    stored = scene(8, count=40)
    turned = np.where(np.arange(40) < 10, 1.5, 0.0)
    grown = np.where((np.arange(40) >= 10) & (np.arange(40) < 20), 3.0, 1.0)
    query = replace(stored, angles=stored.angles + turned, sigmas=stored.sigmas * grown)
    found = align(*matched(query, stored))
    assert found is not None
    assert sorted(found.pairs[:, 0].tolist()) == list(range(20, 40))


@pytest.mark.parametrize("count", range(LEAST_MATCHES))
def test_too_few_matches_are_no_view(count: int) -> None:
    stored = scene(9, count=count)
    assert align(*matched(stored, stored)) is None


def test_as_few_matches_as_a_view_needs_are_one() -> None:
    stored = scene(10, count=LEAST_MATCHES)
    found = align(*matched(stored, stored))
    assert found is not None
    assert found.inliers == LEAST_MATCHES
    np.testing.assert_allclose(found.homography, np.eye(3), atol=1e-6)


def test_turns_that_differ_by_whole_turns_agree() -> None:
    stored = scene(11, count=40)
    query = replace(stored, angles=stored.angles + 2 * np.pi * (np.arange(40) % 3 - 1))
    found = align(*matched(query, stored))
    assert found is not None
    assert found.inliers == 40

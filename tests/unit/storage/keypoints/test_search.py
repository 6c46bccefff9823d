"""A picture is found by its keypoints: from a crop, turned, mirrored, and with a box where the query is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from storage.index.vector_index import Neighbors
from storage.keypoints.keypoint_rows import stored_side
from storage.keypoints.plane_maps import Floats, transformed
from storage.keypoints.search import Votes, locate, most_voted
from storage.types.searches import FeatureQuery
from tests.unit.storage.scenes import (
    PICTURES,
    SIZE,
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

CROP = (260, 220)
FRAME = np.array([[0, 0], [640, 0], [640, 480], [0, 480]], np.float64)


def corners(size: tuple[int, int]) -> Floats:
    return np.array([[0, 0], [size[0], 0], size, [0, size[1]]], np.float64)


def outline(view: Floats, size: tuple[int, int]) -> Floats:
    """(4, 2) the frame ``size`` of a view in the stored picture. view: stored to query."""
    return transformed(np.asarray(np.linalg.inv(view), np.float64), corners(size))


VIEWS = {
    "crop": (similarity(1.0, 0.0, (-200, -150)), CROP),
    "enlarged": (similarity(1.6, 0.0, (-400, -250)), (500, 400)),
    "shrunken": (similarity(0.45), (288, 216)),
    "upside down": (similarity(1.0, np.pi, SIZE), SIZE),
    "on its side": (similarity(1.0, np.pi / 2, (480, 0)), (480, 640)),
    "turned a little": (similarity(0.9, 0.3, (30, -80)), SIZE),
    "part of a collage": (similarity(0.5, 0.0, (300, 200)), (1000, 700)),
}


@pytest.mark.parametrize(("view", "size"), VIEWS.values(), ids=VIEWS.keys())
def test_a_picture_is_found_from_a_view_of_it_with_a_box_where_the_view_lies(
    view: Floats, size: tuple[int, int]
) -> None:
    (found,) = search(query(seen(PICTURES[5], view, size)))
    assert (found.handle, found.side.mirrored, found.stored_size) == (5, False, SIZE)
    assert found.inliers >= 8
    assert np.abs(found.box - outline(view, size)).max() < 2
    assert np.abs(transformed(found.homography, found.box) - corners(size)).max() < 1e-6


@pytest.mark.parametrize(("view", "size"), VIEWS.values(), ids=VIEWS.keys())
def test_a_mirrored_view_is_found_as_the_mirrored_side(view: Floats, size: tuple[int, int]) -> None:
    (found,) = search(query(mirrored(seen(PICTURES[5], view, size))))
    assert (found.handle, found.side.mirrored) == (5, True)
    wanted = outline(view, size)[[1, 0, 3, 2]]  # left and right of the query exchanged
    assert np.abs(found.box - wanted).max() < 2
    assert np.linalg.det(found.homography[:2, :2]) < 0


@pytest.mark.parametrize(("view", "size"), VIEWS.values(), ids=VIEWS.keys())
@pytest.mark.parametrize("turns", [False, True], ids=["as given", "mirrored"])
def test_the_keypoints_that_agree_are_told_where_they_lie_in_both(
    view: Floats, size: tuple[int, int], turns: bool
) -> None:
    sent = seen(PICTURES[5], view, size)
    asked = query(mirrored(sent) if turns else sent)
    (found,) = search(replace(asked, with_pairs=True))
    assert found.pairs is not None
    assert found.pairs.shape == (found.inliers, 4)
    there = transformed(view, found.pairs[:, 2:])
    if turns:
        there = [size[0], 0] + there * [-1, 1]
    assert np.abs(there - found.pairs[:, :2]).max() < 1
    (unasked,) = search(asked)
    assert unasked.pairs is None


def test_the_box_of_the_picture_itself_is_its_frame() -> None:
    (found,) = search(query(PICTURES[3]))
    assert (found.handle, found.inliers) == (3, 80)
    np.testing.assert_allclose(found.box, FRAME, atol=1e-3)
    np.testing.assert_allclose(found.homography, np.eye(3), atol=1e-5)


def test_a_picture_that_is_not_stored_is_not_found() -> None:
    assert search(query(scene(99, count=200))) == []


def test_the_picture_that_agrees_most_comes_first_and_k_cuts() -> None:
    parts = {number: PICTURES[7].taken(slice(0, 20 * (number + 1))) for number in range(3)}
    stored = {number: joined([part, scene(50 + number, count=40)]) for number, part in parts.items()}
    found = search(query(PICTURES[7]), stored)
    assert [one.handle for one in found] == [2, 1, 0]
    assert [one.inliers for one in found] == [60, 40, 20]
    assert [one.handle for one in search(query(PICTURES[7], k=2), stored)] == [2, 1]


def test_of_pictures_that_agree_equally_the_one_stored_first_comes_first() -> None:
    stored = {number: PICTURES[7] for number in (8, 2, 5)}
    assert [one.handle for one in search(query(PICTURES[7]), stored)] == [2, 5, 8]


def test_a_picture_that_shows_itself_both_ways_is_found_once_as_the_better() -> None:
    picture = PICTURES[2]
    stored = {1: joined([picture, mirrored(picture.taken(slice(0, 30)))])}
    (found,) = search(query(picture), stored)
    assert (found.handle, found.side.mirrored, found.inliers) == (1, False, 80)


def test_a_query_of_two_pictures_says_in_which_each_was_found() -> None:
    first, second = query(PICTURES[1]), query(seen(PICTURES[4], similarity(0.5), (320, 240)))
    extras = {name: np.concatenate([first.extras[name], second.extras[name]]) for name in first.extras}
    asked = FeatureQuery("local", np.concatenate([first.rows, second.rows]), 10, extras=extras)
    found = {one.handle: one for one in search(asked)}
    assert {handle: one.side.frame for handle, one in found.items()} == {1: 0, 4: 1}
    for one in found.values():
        assert np.abs(one.box - FRAME).max() < 2


def test_more_candidates_than_are_compared_at_once_are_all_looked_at() -> None:
    stored = {number: PICTURES[number % 12].taken(slice(0, 40)) for number in range(12)}
    stored |= {100 + number: scene(200 + number, count=9) for number in range(40)}
    asked = joined([part.taken(slice(0, 9)) for part in stored.values()])
    found = search(query(asked, k=100, candidates=500), stored)
    assert {one.handle for one in found} == set(stored)


def test_in_a_collection_of_hardly_any_rows_all_of_them_are_looked_at() -> None:
    picture = scene(80, count=4)
    (found,) = search(query(picture, min_inliers=4), {9: picture})
    assert (found.handle, found.inliers) == (9, 4)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_query_of_hardly_any_keypoints_finds_nothing(count: int) -> None:
    assert search(query(PICTURES[6].taken(slice(0, count)))) == []


def test_pictures_without_keypoints_are_not_found_and_do_no_harm() -> None:
    stored = {1: scene(81, count=0), 2: PICTURES[2], 3: scene(82, count=1)}
    assert [one.handle for one in search(query(PICTURES[2]), stored)] == [2]
    assert search(query(PICTURES[2]), {1: scene(81, count=0)}) == []


def test_stored_keypoints_are_a_query_too() -> None:
    kept = feature(PICTURES[6])
    (found,) = search(FeatureQuery("local", kept.rows, 5, extras=kept.extras))
    assert (found.handle, found.side.size) == (6, stored_side(kept).size)


def test_each_keypoint_votes_for_the_nearest_the_more_the_nearer_they_are() -> None:
    """distances: 5 neighbours, of which the last one is what the others are compared with."""
    handles = np.array([[7, 8, 7, 9, 5], [8, 9, 9, 9, 5], [8, 5, 4, 3, 2]], np.int64)
    distances = np.array([[1, 4, 9, 16, 25], [9, 16, 16, 16, 16], [0, 4, 4, 4, 4]], np.float32)
    votes = Votes.of(Neighbors(handles, distances), np.array([0, 0, 1]), unlike=0.0)
    found = most_voted([votes], 10)
    # side 0: 7 has 4/5 + 2/5, 8 has 3/5 + 1/4, 9 has 1/5; side 1: 8 has 1
    assert found == [(7, 0), (8, 1), (8, 0), (9, 0)]
    assert most_voted([votes], 2) == found[:2]


def test_where_there_are_fewer_neighbours_than_votes_each_has_one() -> None:
    handles = np.array([[3, 4, -1, -1, -1], [4, 3, -1, -1, -1], [4, 2, -1, -1, -1]], np.int64)
    distances = np.where(handles < 0, np.inf, np.float32(4)).astype(np.float32)
    votes = Votes.of(Neighbors(handles, distances), np.zeros(3, np.intp), unlike=0.0)
    assert most_voted([votes], 10) == [(4, 0), (3, 0), (2, 0)]


@pytest.mark.parametrize("copies", [5, 30])
def test_however_many_copies_there_are_all_are_found(copies: int) -> None:
    stored = {**PICTURES, **{100 + number: PICTURES[2] for number in range(copies)}}
    found = search(query(PICTURES[2], k=50, candidates=50), stored)
    assert {one.handle for one in found} == {2, *range(100, 100 + copies)}


def test_only_allowed_pictures_are_found() -> None:
    asked, allowed = query(PICTURES[5]), np.ones(len(PICTURES), np.bool_)

    def found() -> list[int]:
        return [
            one.handle for one in locate(index_of(PICTURES), asked, lambda handle: feature(PICTURES[handle]), allowed)
        ]

    assert found() == [5]
    allowed[5] = False
    assert found() == []

"""How a stored picture lies in a query, in the words of an answer."""

from __future__ import annotations

import numpy as np
import pytest

from graph.judging.placement import (
    VIEW_COUNT,
    between,
    outline_in_stored,
    overlap_of,
    transform_of,
    whole_in_whole,
)
from lookalike_client.matches import Overlap, Transform

STORED, TURNED = (320, 240), (240, 320)


@pytest.mark.parametrize(
    ("view", "query", "transform"),
    [
        (0, STORED, Transform(False, 0.0, 1.0)),
        (1, STORED, Transform(True, 0.0, 1.0)),
        (2, TURNED, Transform(False, 270.0, 1.0)),
        (3, STORED, Transform(False, 180.0, 1.0)),
        (4, TURNED, Transform(False, 90.0, 1.0)),
        (5, STORED, Transform(True, 180.0, 1.0)),
        (6, TURNED, Transform(True, 270.0, 1.0)),
        (7, TURNED, Transform(True, 90.0, 1.0)),
    ],
)
def test_each_view_is_a_turn_and_perhaps_a_mirror(view: int, query: tuple[int, int], transform: Transform) -> None:
    homography = whole_in_whole(view, STORED, query)
    assert transform_of(homography, STORED) == transform
    assert overlap_of(homography, STORED, query) == Overlap(1.0, 1.0)
    assert view < VIEW_COUNT


def test_a_crop_shows_a_part_of_the_stored_picture_and_all_of_itself() -> None:
    homography = np.array([[2, 0, -100], [0, 2, -50], [0, 0, 1.0]])
    query = (200, 200)
    assert overlap_of(homography, STORED, query) == Overlap(1.0, round(100 * 100 / (320 * 240), 4))
    assert transform_of(homography, STORED) == Transform(False, 0.0, 2.0)
    outline = outline_in_stored(homography, STORED, query)
    np.testing.assert_allclose([outline.min(axis=0), outline.max(axis=0)], [[50, 25], [150, 125]])


def test_a_collage_contains_the_stored_picture() -> None:
    homography = np.array([[0.5, 0, 10], [0, 0.5, 20], [0, 0, 1.0]])
    assert overlap_of(homography, STORED, (640, 480)) == Overlap(round(160 * 120 / (640 * 480), 4), 1.0)


def test_two_crops_of_one_picture_overlap() -> None:
    homography = np.array([[1, 0, -160], [0, 1, 0], [0, 0, 1.0]])
    assert overlap_of(homography, STORED, STORED) == Overlap(0.5, 0.5)


def test_pictures_that_do_not_meet_share_nothing() -> None:
    homography = np.array([[1, 0, 1000], [0, 1, 0], [0, 0, 1.0]])
    assert overlap_of(homography, STORED, STORED) == Overlap(0.0, 0.0)


def test_a_part_behind_the_viewer_is_not_counted() -> None:
    homography = np.array([[1, 0, 0], [0, 1, 0], [-1 / 160, 0, 1.0]])  # the right half lies behind
    assert 0 < overlap_of(homography, STORED, STORED).of_stored <= 0.5


def test_a_map_for_other_sizes_says_the_same() -> None:
    homography = np.array([[2, 0, -100], [0, 2, -50], [0, 0, 1.0]])
    smaller = between(homography, (STORED, (160, 120)), ((200, 200), (50, 50)))
    assert overlap_of(smaller, (160, 120), (50, 50)) == overlap_of(homography, STORED, (200, 200))

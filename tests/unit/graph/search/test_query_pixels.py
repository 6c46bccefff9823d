"""Homographies are told in the pixels of the query as it was sent, whatever frame its keypoints were taken in."""

from __future__ import annotations

import numpy as np

from graph.search.ranking import in_query_pixels
from storage.keypoints.plane_maps import transformed
from storage.shard.search import PAIRS, QUERY_FRAME
from storage.types.searches import Hit

HOMOGRAPHY = np.array([[0.5, 0.1, 20], [-0.2, 0.4, 300], [1e-4, 2e-4, 1.0]])
BOX = [[0, 0], [640, 0], [640, 480], [0, 480]]
POINTS = np.array([[0.0, 0.0], [640.0, 120.0], [300.0, 480.0]])


def hit(frame: tuple[int, int, int] = (0, 1024, 768), image_id: str = "a") -> Hit:
    return Hit(image_id, 40.0, 1, {"homography": HOMOGRAPHY.tolist(), "box": BOX, QUERY_FRAME: list(frame)})


def test_points_go_where_they_lie_in_the_file_that_was_sent() -> None:
    (found,) = in_query_pixels([hit()], [(4096, 2304)])
    wanted = transformed(HOMOGRAPHY, POINTS) * (4096 / 1024, 2304 / 768)
    np.testing.assert_allclose(transformed(np.array(found.evidence["homography"]), POINTS), wanted)


def test_the_frame_is_not_told_and_all_else_stays() -> None:
    given = hit()
    (found,) = in_query_pixels([given], [(4096, 3072)])
    assert found.evidence.keys() == {"homography", "box"}
    assert found.evidence["box"] == BOX
    assert (found.id, found.distance, found.view) == ("a", 40.0, 1)
    assert given.evidence[QUERY_FRAME] == [0, 1024, 768]
    assert given.evidence["homography"] == HOMOGRAPHY.tolist()


def test_keypoints_are_told_in_the_same_pixels_and_in_those_of_the_stored_picture() -> None:
    given = hit()._replace(evidence={**hit().evidence, PAIRS: [[10, 20, 30, 40], [1, 2, 3, 4]]})
    (found,) = in_query_pixels([given], [(4096, 2304)])
    assert found.evidence[PAIRS] == [(40, 60, 30, 40), (4, 6, 3, 4)]


def test_a_query_of_the_size_of_its_frame_keeps_its_homographies() -> None:
    (found,) = in_query_pixels([hit()], [(1024, 768)])
    np.testing.assert_array_equal(found.evidence["homography"], HOMOGRAPHY)


def test_of_two_pictures_each_hit_is_told_in_its_own() -> None:
    first, second = in_query_pixels(
        [hit((1, 500, 400), "second"), hit((0, 1024, 768), "first")], [(2048, 768), (1000, 1200)]
    )
    np.testing.assert_allclose(np.array(first.evidence["homography"])[:2], HOMOGRAPHY[:2] * [[2], [3]])
    np.testing.assert_allclose(np.array(second.evidence["homography"])[:2], HOMOGRAPHY[:2] * [[2], [1]])
    assert (first.id, second.id) == ("second", "first")


def test_hits_without_a_homography_are_left_as_they_are() -> None:
    hits = [Hit("a", 3.0), Hit("b", 4.0, 0, {"note": 1})]
    assert in_query_pixels(hits, [(10, 10)]) == hits
    assert in_query_pixels([], []) == []

"""Keypoints come back where they were, as nearly as their steps allow, and only sound ones are taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from storage.encoding.feature_rows import decode_rows, encode_rows
from storage.errors import InvalidRequest
from storage.keypoints.keypoint_rows import check_keypoints, keypoint_feature, sides, stored_side
from storage.shard.checks import check_mutation, check_query
from storage.tables.model_versions import ModelVersions
from storage.types.features import FeatureRows
from storage.types.mutations import FillFeatures
from storage.types.searches import FeatureQuery
from tests.unit.storage.scenes import LOCAL, SIZE, feature, mirrored, query, scene

Extras = Mapping[str, NDArray[Any]]
TURN = 2 * np.pi


def codes(count: int) -> NDArray[np.uint8]:
    return np.arange(count * 64, dtype=np.int64).reshape(count, 64).astype(np.uint8)


@given(st.floats(0, 640), st.floats(0, 480), st.floats(0.3, 1000), st.floats(-20, 20))
def test_a_keypoint_comes_back_within_half_a_step(x: float, y: float, sigma: float, angle: float) -> None:
    kept = keypoint_feature(codes(1), np.array([[x, y]]), np.array([sigma]), np.array([angle]), SIZE)
    side = stored_side(kept)
    assert np.abs(side.points - [x, y]).max() <= 0.5 / 32 + 1e-9
    assert abs(np.log2(side.sigmas[0] / sigma)) <= 0.5 / 16 + 1e-9
    assert abs((side.angles[0] - angle + np.pi) % TURN - np.pi) <= 0.5 * TURN / 256 + 1e-9
    assert (side.size, side.mirrored, side.frame) == (SIZE, False, 0)


def test_points_beyond_the_frame_are_put_on_its_edge() -> None:
    outside = np.array([[-3.0, 5.0], [700.0, 481.0]])
    kept = keypoint_feature(codes(2), outside, np.ones(2), np.zeros(2), SIZE)
    assert stored_side(kept).points.tolist() == [[0, 5], [640, 480]]


def test_the_largest_working_image_has_room() -> None:
    corner = np.array([[1024.0, 1024.0]])
    kept = keypoint_feature(codes(1), corner, np.ones(1), np.zeros(1), (1024, 1024))
    assert stored_side(kept).points.tolist() == [[1024, 1024]]


def test_a_picture_without_keypoints_keeps_its_frame() -> None:
    kept = feature(scene(0, count=0))
    check_keypoints("here", kept.rows, kept.extras)
    side = stored_side(decode_rows(encode_rows(kept)))
    assert (side.size, side.codes.shape, side.points.shape) == (SIZE, (0, 64), (0, 2))


def test_the_mirrored_side_is_the_mirror_image() -> None:
    picture = scene(1, count=9)
    asked = query(picture)
    as_given, mirror = sides(asked.rows, asked.extras)
    wanted = stored_side(feature(mirrored(picture)))
    assert (as_given.mirrored, mirror.mirrored) == (False, True)
    np.testing.assert_array_equal(as_given.codes, asked.rows)
    np.testing.assert_array_equal(mirror.codes, wanted.codes)
    np.testing.assert_allclose(mirror.points, wanted.points, atol=1 / 32)
    np.testing.assert_allclose(mirror.sigmas, wanted.sigmas)
    assert np.abs((mirror.angles - wanted.angles + np.pi) % TURN - np.pi).max() <= TURN / 256 + 1e-9


def test_a_side_says_how_its_coordinates_become_those_of_the_frame() -> None:
    asked = query(scene(2, count=5))
    as_given, mirror = sides(asked.rows, asked.extras)
    lifted = np.column_stack([mirror.points, np.ones(5)])
    np.testing.assert_allclose((lifted @ mirror.to_frame.T)[:, :2], as_given.points)
    np.testing.assert_array_equal(as_given.to_frame, np.eye(3))


def test_pictures_of_one_query_follow_each_other() -> None:
    first, second = query(scene(3, count=4)), query(scene(4, count=7, size=(300, 200)))
    extras = {name: np.concatenate([first.extras[name], second.extras[name]]) for name in first.extras}
    rows = np.concatenate([first.rows, second.rows])
    check_keypoints("the query", rows, extras)
    found = list(sides(rows, extras))
    wanted = [*sides(first.rows, first.extras), *sides(second.rows, second.extras)]
    assert [(side.frame, side.mirrored) for side in found] == [(0, False), (0, True), (1, False), (1, True)]
    for one, other in zip(found, wanted, strict=True):
        assert one.size == other.size
        for name in ("codes", "points", "sigmas", "angles"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_without_mirrored_descriptors_there_is_no_mirrored_side() -> None:
    kept = feature(scene(5, count=4))
    assert [side.mirrored for side in sides(kept.rows, kept.extras)] == [False]


def without(name: str) -> Callable[[Extras], Extras]:
    return lambda extras: {key: array for key, array in extras.items() if key != name}


def changed(name: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Extras], Extras]:
    return lambda extras: {**extras, name: change(extras[name])}


WRONG = {
    "no points": without("points"),
    "no shapes": without("shapes"),
    "no frames": without("frames"),
    "too few points": changed("points", lambda array: array[1:]),
    "too many shapes": changed("shapes", lambda array: np.concatenate([array, array])),
    "points of one column": changed("points", lambda array: array[:, :1]),
    "flat points": changed("points", lambda array: array.reshape(-1)),
    "points of another type": changed("points", lambda array: array.astype(np.int32)),
    "shapes of another type": changed("shapes", lambda array: array.astype(np.uint16)),
    "flat frames": changed("frames", lambda array: array.reshape(-1)),
    "frames of two columns": changed("frames", lambda array: array[:, :2]),
    "no pictures": changed("frames", lambda array: array[:0]),
    "frames of another type": changed("frames", lambda array: array.astype(np.float32)),
    "a frame without pixels": changed("frames", lambda array: array * np.array([1, 0, 1], np.uint32)),
    "a frame too many": changed("frames", lambda array: np.concatenate([array, array])),
    "a keypoint less in the frame": changed("frames", lambda array: array - np.array([1, 0, 0], np.uint32)),
    "too few mirrored": changed("mirrored", lambda array: array[1:]),
    "mirrored of another type": changed("mirrored", lambda array: array.astype(np.float32)),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_extras_that_do_not_fit_the_rows_are_refused_at_every_door(wrong: Callable[[Extras], Extras]) -> None:
    asked = query(scene(6, count=8))
    specs = ModelVersions.of([LOCAL])
    assert check_query(asked, specs) is None
    extras = wrong(asked.extras)
    with pytest.raises(InvalidRequest, match="here"):
        check_keypoints("here", asked.rows, extras)
    reason = check_query(FeatureQuery("local", asked.rows, 3, extras=extras), specs)
    assert reason is not None
    assert "keypoints" in reason or "mirrored" in reason
    fill = FillFeatures("op", "a", "0" * 64, {"local": FeatureRows(asked.rows, extras=extras)})
    with pytest.raises(InvalidRequest, match="'a'"):
        check_mutation(fill, specs, 0, 1)

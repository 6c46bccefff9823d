"""Directions follow the gradient around a keypoint, and patches are the picture turned and scaled by them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from deployments.extractor import Pixels
from deployments.keypoints.detector import Keypoints, detect
from deployments.keypoints.patches import SECOND_PEAK, cut_patches, find_directions
from deployments.keypoints.scale_space import FIRST_SIGMA, LEVELS, Octave, build_scale_space
from tests.unit.deployments.keypoints.scenes import photo, texture

SIDE = 577  # 9 * 64 + 1: a turned picture keeps the same pixels in every octave
TURN = 2 * np.pi


def keypoint_at(x: float, y: float, level: float = 2.0, octave: int = 0) -> Keypoints:
    """One in pixels of its octave."""
    one = np.array([[x, y, level]], np.float32)
    sigma = np.float32(FIRST_SIGMA * 2 ** (level / 3)) * np.ones(1, np.float32)
    return Keypoints(one[:, :2], sigma, np.ones(1, np.float32), np.array([octave], np.int32), one)


def ramp(angle: float, side: int = 600) -> list[Octave]:
    """One octave of a picture that grows brighter towards ``angle``, at any blur the same."""
    down, across = np.mgrid[:side, :side].astype(np.float64)
    slope = (across - side / 2) * np.cos(angle) + (down - side / 2) * np.sin(angle)
    return [Octave(np.repeat(slope.astype(np.float32)[None], LEVELS, axis=0), 1.0)]


def apart(a: float, b: float) -> float:
    return float(abs((a - b + np.pi) % TURN - np.pi))


@pytest.mark.parametrize("angle", np.arange(0, 360, 23).tolist())
def test_the_direction_is_that_of_the_gradient(angle: float) -> None:
    directions, seconds = find_directions(ramp(np.radians(angle)), keypoint_at(300, 290))
    assert apart(float(directions[0, 0]), np.radians(angle)) < np.radians(1)
    assert seconds[0] < SECOND_PEAK


def test_a_corner_has_two_directions() -> None:
    gray = np.full((600, 600), 60, np.uint8)
    gray[300:, 300:] = 180
    directions, seconds = find_directions(build_scale_space(gray), keypoint_at(302, 302))
    assert seconds[0] > SECOND_PEAK
    found = sorted(float(angle) % TURN for angle in directions[0])
    assert apart(found[0], 0) < 0.2 or apart(found[1], 0) < 0.2
    assert min(apart(angle, np.pi / 2) for angle in found) < 0.2


def test_without_any_gradient_the_direction_is_zero() -> None:
    flat = build_scale_space(np.full((600, 600), 90, np.uint8))
    directions, seconds = find_directions(flat, keypoint_at(300, 290))
    assert (directions.tolist(), seconds.tolist()) == ([[0, 0]], [0])


def test_a_keypoint_near_the_border_looks_at_what_there_is() -> None:
    octaves = ramp(0.7)
    for x, y in ((5, 5), (594, 300), (300, 594), (594, 594)):
        directions, _ = find_directions(octaves, keypoint_at(x, y, level=3.4))
        assert apart(float(directions[0, 0]), 0.7) < np.radians(1)


def turned_keypoints(found: Keypoints, turns: int) -> Keypoints:
    """Those of the picture turned counterclockwise so often by a quarter."""
    in_octave = found.in_octave.copy()
    last = (SIDE - 1) / 2.0**found.octaves
    for _ in range(turns):
        in_octave = np.stack([in_octave[:, 1], last - in_octave[:, 0], in_octave[:, 2]], axis=1)
    return Keypoints(found.points, found.sigmas, found.responses, found.octaves, in_octave.astype(np.float32))


def described(gray: Pixels) -> tuple[list[Octave], Keypoints]:
    octaves = build_scale_space(gray)
    found = detect(octaves)
    return octaves, found.taken(np.arange(0, len(found), 3))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_the_directions_and_patches_of_a_turned_picture_turn_with_it(turns: int) -> None:
    gray = photo(size=(SIDE, SIDE))
    octaves, found = described(gray)
    turned_octaves = build_scale_space(np.ascontiguousarray(np.rot90(gray, turns)))
    directions, seconds = find_directions(octaves, found)
    turned, turned_seconds = find_directions(turned_octaves, turned_keypoints(found, turns))
    off = np.abs((turned[:, 0] - directions[:, 0] + turns * np.pi / 2 + np.pi) % TURN - np.pi)
    assert (off < 0.02).mean() > 0.97  # two peaks of the same height may change places
    assert (np.abs(seconds - turned_seconds) < 0.01).mean() > 0.97
    angles = directions[:, 0]
    patches = cut_patches(octaves, found, angles, 16, 0.5)
    again = cut_patches(
        turned_octaves, turned_keypoints(found, turns), (angles - np.float32(turns * np.pi / 2)), 16, 0.5
    )
    assert np.abs(patches - again).max() < 0.5


def plain_patch(
    octaves: Sequence[Octave], one: Keypoints, angle: float, side: int, spacing: float
) -> NDArray[np.float32]:
    """The definition, by scipy."""
    octave = octaves[int(one.octaves[0])]
    x, y, level = one.in_octave[0].astype(np.float64)
    step = spacing * FIRST_SIGMA * 2 ** (level / 3)
    down, across = (np.mgrid[:side, :side] - (side - 1) / 2) * step
    columns = x + across * np.cos(angle) - down * np.sin(angle)
    rows = y + across * np.sin(angle) + down * np.cos(angle)
    nearest = int(np.clip(np.rint(level), 1, 3))
    picture = octave.levels[nearest]
    inside = np.clip(rows, 0, picture.shape[0] - 1.001), np.clip(columns, 0, picture.shape[1] - 1.001)
    sampled: NDArray[np.float32] = map_coordinates(picture, inside, order=1)
    return sampled


@pytest.mark.parametrize("place", [(60.3, 40.8), (2.0, 2.0), (117.5, 95.1)], ids=str)
@pytest.mark.parametrize(("level", "octave", "angle"), [(0.6, 0, 0.0), (2.2, 0, 1.1), (3.4, 1, -2.5), (1.4, 1, 9.0)])
def test_a_patch_is_sampled_as_defined(place: tuple[float, float], level: float, octave: int, angle: float) -> None:
    octaves = build_scale_space(texture((240, 200)))
    one = keypoint_at(*place, level=level, octave=octave)
    (patch,) = cut_patches(octaves, one, np.array([angle], np.float32), 12, 0.7)
    np.testing.assert_allclose(patch, plain_patch(octaves, one, angle, 12, 0.7), atol=0.05)


def test_patches_come_in_the_order_of_their_keypoints() -> None:
    octaves, found = described(texture((600, 560)))
    angles = find_directions(octaves, found)[0][:, 0]
    order = np.random.default_rng(0).permutation(len(found))
    together = cut_patches(octaves, found, angles, 10, 0.6)
    np.testing.assert_array_equal(cut_patches(octaves, found.taken(order), angles[order], 10, 0.6), together[order])
    np.testing.assert_array_equal(find_directions(octaves, found.taken(order))[0][:, 0], angles[order])


def test_no_keypoints_have_no_directions_and_no_patches() -> None:
    octaves = build_scale_space(np.full((64, 64), 9, np.uint8))
    none = detect(octaves)
    directions, seconds = find_directions(octaves, none)
    assert (directions.shape, seconds.shape) == ((0, 2), (0,))
    assert cut_patches(octaves, none, directions[:, 0], 26, 0.5).shape == (0, 26, 26)

"""The scale space is the picture under the Gaussians that it claims, at the sizes that it claims."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from deployments.keypoints.scale_space import (
    CAMERA_SIGMA,
    FIRST_SIGMA,
    LEAST_SIDE,
    LEVELS,
    MAX_OCTAVES,
    blurred,
    build_scale_space,
    enlargement_of,
    level_sigma,
)
from tests.unit.deployments.keypoints.scenes import texture


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (2, 11), (3, 5), (13, 40), (60, 37)])
@pytest.mark.parametrize("sigma", [0.3, 0.8, 1.2263, 1.52, 3.09, 6.0])
def test_a_blur_is_the_gaussian_of_scipy(shape: tuple[int, int], sigma: float) -> None:
    picture = (np.random.default_rng(0).random(shape) * 255).astype(np.float32)
    radius = max(1, round(4 * sigma))  # where scipy ends its kernel, too, but for the smallest
    wanted = gaussian_filter(picture.astype(np.float64), sigma, mode="mirror", radius=radius)
    np.testing.assert_allclose(blurred(picture, sigma), wanted, atol=1e-3)


def test_the_kernel_ends_where_scipy_ends_its_own() -> None:
    picture = texture((50, 40)).astype(np.float32)
    for sigma in (0.8, 1.52, 3.09):
        wanted = gaussian_filter(picture.astype(np.float64), sigma, mode="mirror", truncate=4.0)
        np.testing.assert_allclose(blurred(picture, sigma), wanted, atol=1e-3)


@pytest.mark.parametrize("sigma", [0.0, -1.0])
def test_no_blur_leaves_the_picture_as_it_is(sigma: float) -> None:
    picture = texture((20, 20)).astype(np.float32)
    np.testing.assert_array_equal(blurred(picture, sigma), picture)


@pytest.mark.parametrize(
    ("long_side", "enlargement"),
    [(1, 2), (16, 2), (300, 2), (549, 2), (550, 1), (1024, 1)],
)
def test_small_pictures_are_doubled_by_their_long_side(long_side: int, enlargement: int) -> None:
    assert enlargement_of(np.zeros((long_side, 1), np.uint8)) == enlargement
    assert enlargement_of(np.zeros((1, long_side), np.uint8)) == enlargement


@pytest.mark.parametrize(
    ("size", "octaves"),
    [
        ((1024, 768), 7),
        ((640, 480), 6),
        ((600, 12), 1),
        ((600, 11), 0),
        ((1024, 1), 0),
        ((1, 1), 0),
        ((5, 5), 0),
        ((6, 6), 1),
        ((16, 16), 2),
        ((560, 22), 1),
        ((560, 23), 2),
    ],
)
def test_octaves_are_halved_until_they_are_too_small(size: tuple[int, int], octaves: int) -> None:
    found = build_scale_space(np.zeros((size[1], size[0]), np.uint8))
    assert len(found) == octaves <= MAX_OCTAVES
    enlargement = enlargement_of(np.zeros((size[1], size[0]), np.uint8))
    width, height = size[0] * enlargement, size[1] * enlargement
    for number, octave in enumerate(found):
        assert octave.levels.shape == (LEVELS, height, width)
        assert octave.pixel == 2**number / enlargement
        assert min(height, width) >= LEAST_SIDE
        width, height = -(-width // 2), -(-height // 2)


def test_every_level_has_the_blur_that_it_claims() -> None:
    """Blurs add up; at half the size they are taken as a picture of that size would be."""
    gray = texture((600, 560))
    octaves = build_scale_space(gray)
    for number, octave in enumerate(octaves[:3]):
        for level in range(LEVELS):
            sigma = np.sqrt((level_sigma(level) * octave.pixel) ** 2 - CAMERA_SIGMA**2)
            wanted = gaussian_filter(gray.astype(np.float64), sigma, mode="mirror")[:: 2**number, :: 2**number]
            inner = np.abs(octave.levels[level] - wanted)[8:-8, 8:-8]
            assert inner.max() < 1.0, (number, level)
            assert inner.mean() < 0.15, (number, level)


def test_levels_double_their_blur_in_three_steps() -> None:
    assert level_sigma(0) == FIRST_SIGMA
    assert level_sigma(3) == pytest.approx(2 * FIRST_SIGMA)
    assert level_sigma(1.5) == pytest.approx(FIRST_SIGMA * 2**0.5)


def test_the_same_picture_gives_the_same_bits() -> None:
    gray = texture((100, 80))
    for one, other in zip(build_scale_space(gray), build_scale_space(gray.copy()), strict=True):
        np.testing.assert_array_equal(one.levels, other.levels)


def test_a_flat_picture_stays_flat() -> None:
    for octave in build_scale_space(np.full((90, 70), 200, np.uint8)):
        np.testing.assert_allclose(octave.levels, 200, atol=1e-3)

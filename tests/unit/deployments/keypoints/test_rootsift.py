"""RootSIFT says what the gradients of a patch are, and nothing of its brightness, contrast or turn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from deployments.keypoints.detector import Keypoints, detect
from deployments.keypoints.patches import cut_patches, find_directions
from deployments.keypoints.rootsift import DIM, PATCH_SIDE, SPACING, mirror_order, rootsift
from deployments.keypoints.scale_space import build_scale_space
from tests.unit.deployments.keypoints.scenes import photo

SIDE = 577  # 9 * 64 + 1: a turned or mirrored picture keeps the same pixels in every octave


def patches(count: int = 20, seed: int = 0) -> NDArray[np.float32]:
    """(count, 26, 26) smooth ones, 60 to 190."""
    rng = np.random.default_rng(seed)
    across = np.linspace(0, 1, PATCH_SIDE)
    waves = rng.normal(0, 1, (count, 4, 4, 2))
    total = np.zeros((count, PATCH_SIDE, PATCH_SIDE))
    for i in range(4):
        for j in range(4):
            phase = 2 * np.pi * (i * across[:, None] + j * across[None])
            total += waves[:, i, j, 0, None, None] * np.cos(phase) + waves[:, i, j, 1, None, None] * np.sin(phase)
    total -= total.min(axis=(1, 2), keepdims=True)
    gray: NDArray[np.float32] = (60 + 130 * total / total.max(axis=(1, 2), keepdims=True)).astype(np.float32)
    return gray


def plain_rootsift(patch: NDArray[np.float32]) -> NDArray[np.float64]:
    """The definition, sample by sample, with the angle by atan2."""
    histogram = np.zeros((4, 4, 8))
    for v in range(24):
        for u in range(24):
            gx = float(patch[v + 1, u + 2]) - float(patch[v + 1, u])
            gy = float(patch[v + 2, u + 1]) - float(patch[v, u + 1])
            direction = (np.arctan2(gy, gx) / (2 * np.pi) * 8) % 8
            for r in range(4):
                for c in range(4):
                    y, x = ((v + 0.5) / 24 - 0.5) * 5, ((u + 0.5) / 24 - 0.5) * 5
                    share = max(0, 1 - abs(y - (r - 1.5))) * max(0, 1 - abs(x - (c - 1.5)))
                    strength = np.hypot(gx, gy) * share * np.exp(-(x * x + y * y) / 8)
                    low = int(direction)
                    histogram[r, c, low % 8] += strength * (1 - (direction - low))
                    histogram[r, c, (low + 1) % 8] += strength * (direction - low)
    unit = histogram.ravel() / np.linalg.norm(histogram)
    clipped = np.minimum(unit, 0.2)
    root: NDArray[np.float64] = np.sqrt(clipped / clipped.sum())
    return root


def test_the_descriptor_is_the_one_defined() -> None:
    for patch, found in zip(patches(4), rootsift(patches(4)), strict=True):
        np.testing.assert_allclose(found, plain_rootsift(patch), atol=2e-3)


def test_descriptors_have_unit_norm() -> None:
    found = rootsift(patches())
    assert found.dtype == np.float32
    assert found.shape == (20, DIM)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_brightness_and_contrast_do_not_matter() -> None:
    some = patches()
    np.testing.assert_allclose(rootsift(some + 40), rootsift(some), atol=1e-3)
    np.testing.assert_allclose(rootsift(some * np.float32(0.3)), rootsift(some), atol=1e-3)


def test_a_negative_is_another_descriptor() -> None:
    some = patches()
    assert (np.linalg.norm(rootsift(255 - some) - rootsift(some), axis=1) > 0.3).all()


def test_a_patch_without_gradient_has_a_descriptor_of_zeros() -> None:
    assert not rootsift(np.full((2, PATCH_SIDE, PATCH_SIDE), 77, np.float32)).any()


def test_a_patch_has_the_same_descriptor_in_any_batch() -> None:
    some = patches()
    together = rootsift(some)
    for i in range(len(some)):
        np.testing.assert_array_equal(rootsift(some[i : i + 1])[0], together[i])
    assert rootsift(some[:0]).shape == (0, DIM)


def test_the_mirror_image_of_a_patch_has_the_numbers_in_mirror_order() -> None:
    some = patches()
    upside_down = np.ascontiguousarray(some[:, ::-1])  # the direction of the keypoint stays x, all turns are reversed
    np.testing.assert_allclose(rootsift(upside_down), rootsift(some)[:, mirror_order()], atol=2e-3)


def test_mirroring_twice_changes_nothing() -> None:
    order = mirror_order()
    np.testing.assert_array_equal(order[order], np.arange(DIM))
    assert (order != np.arange(DIM)).any()


def moved(found: Keypoints, across: NDArray[np.float32], down: NDArray[np.float32]) -> Keypoints:
    in_octave = np.stack([across, down, found.in_octave[:, 2]], axis=1).astype(np.float32)
    return Keypoints(found.points, found.sigmas, found.responses, found.octaves, in_octave)


@pytest.mark.parametrize("way", ["turned", "mirrored"])
def test_a_picture_turned_or_mirrored_has_the_descriptors_that_were_foretold(way: str) -> None:
    gray = photo(size=(SIDE, SIDE))
    octaves = build_scale_space(gray)
    found = detect(octaves)
    found = found.taken(np.arange(0, len(found), 2))
    angles = find_directions(octaves, found)[0][:, 0]
    wanted = rootsift(cut_patches(octaves, found, angles, PATCH_SIDE, SPACING))
    x, y = found.in_octave[:, 0], found.in_octave[:, 1]
    last = ((SIDE - 1) / 2.0**found.octaves).astype(np.float32)
    if way == "turned":
        other = build_scale_space(np.ascontiguousarray(np.rot90(gray)))
        there, turned = moved(found, y, last - x), angles - np.float32(np.pi / 2)
    else:
        other = build_scale_space(np.ascontiguousarray(gray[:, ::-1]))
        there, turned = moved(found, last - x, y), np.float32(np.pi) - angles
        wanted = wanted[:, mirror_order()]
    again = rootsift(cut_patches(other, there, turned, PATCH_SIDE, SPACING))
    off = np.linalg.norm(again - wanted, axis=1)
    assert np.median(off) < 0.01
    assert off.max() < 0.1  # where a difference of next to nothing has any direction
    looked_up = find_directions(other, there)[0][:, 0]
    agree = np.abs((looked_up - turned + np.pi) % (2 * np.pi) - np.pi) < 0.02
    assert agree.mean() > 0.97

"""A map between two planes is recovered from noisy points, the simplest that explains them, whatever else is there."""

from __future__ import annotations

import numpy as np
import pytest

from storage.keypoints.plane_maps import Floats, Pairs, simplest_map, transfer_errors, transformed
from tests.unit.storage.scenes import similarity

SIMILARITY = similarity(0.7, 0.6, (40, -25))
AFFINE = np.array([[0.9, 0.35, 12], [-0.1, 1.3, 30], [0, 0, 1.0]])
HOMOGRAPHY = np.array([[0.9, 0.2, 12], [-0.1, 1.1, 30], [4e-4, -3e-4, 1.0]])
CORNERS = np.array([[0, 0], [640, 0], [640, 480], [0, 480]], np.float64)


def pairs_of(homography: Floats, count: int = 80, noise: float = 0.1, seed: int = 0) -> Pairs:
    rng = np.random.default_rng(seed)
    source = rng.random((count, 2)) * (640, 480)
    return Pairs(source, transformed(homography, source) + rng.normal(0, noise, (count, 2)), np.full(count, noise))


def corner_error(found: Floats | None, wanted: Floats) -> float:
    assert found is not None
    return float(transfer_errors(found, CORNERS, transformed(wanted, CORNERS)).max())


def is_affine(found: Floats) -> bool:
    return bool((found[2] == [0, 0, 1]).all())


def is_similarity(found: Floats) -> bool:
    return is_affine(found) and bool(np.allclose([found[0, 0], found[0, 1]], [found[1, 1], -found[1, 0]], atol=1e-9))


@pytest.mark.parametrize("seed", range(5))
def test_a_similarity_is_recovered_as_one(seed: int) -> None:
    found = simplest_map(pairs_of(SIMILARITY, seed=seed))
    assert corner_error(found, SIMILARITY) < 0.1
    assert found is not None
    assert is_similarity(found)


@pytest.mark.parametrize("seed", range(5))
def test_an_affine_map_is_recovered_as_one(seed: int) -> None:
    found = simplest_map(pairs_of(AFFINE, seed=seed))
    assert corner_error(found, AFFINE) < 0.2
    assert found is not None
    assert is_affine(found)
    assert not is_similarity(found)


@pytest.mark.parametrize("seed", range(5))
def test_a_homography_is_recovered_as_one(seed: int) -> None:
    found = simplest_map(pairs_of(HOMOGRAPHY, seed=seed))
    assert corner_error(found, HOMOGRAPHY) < 0.3
    assert found is not None
    assert not is_affine(found)


def test_six_noisy_points_do_not_put_the_corners_anywhere() -> None:
    for seed in range(10):
        found = simplest_map(pairs_of(SIMILARITY, count=6, noise=0.5, seed=seed))
        assert corner_error(found, SIMILARITY) < 3, seed


@pytest.mark.parametrize("homography", [SIMILARITY, AFFINE, HOMOGRAPHY], ids=["similarity", "affine", "homography"])
def test_outliers_count_little(homography: Floats) -> None:
    pairs = pairs_of(homography)
    pairs.target[::6] += np.random.default_rng(1).normal(0, 8, pairs.target[::6].shape)
    assert corner_error(simplest_map(pairs), homography) < 0.5


def test_a_pair_counts_by_how_well_it_is_located() -> None:
    pairs = pairs_of(SIMILARITY, count=40)
    pairs.target[::2] += np.random.default_rng(2).normal(0, 6, (20, 2))
    pairs.errors[::2] = 6.0
    assert corner_error(simplest_map(pairs), SIMILARITY) < 0.2


def test_the_map_does_not_depend_on_where_the_pictures_lie() -> None:
    pairs = pairs_of(AFFINE)
    away = similarity(1.0, 0.0, (1e5, -2e5))
    moved = simplest_map(Pairs(transformed(away, pairs.source), pairs.target, pairs.errors))
    found = simplest_map(pairs)
    assert found is not None
    assert moved is not None
    np.testing.assert_allclose(transformed(moved @ away, CORNERS), transformed(found, CORNERS), atol=1e-5)


RNG = np.random.default_rng(3)
SPREAD = RNG.random((12, 2)) * 300
LINE = np.linspace(0, 1, 12)[:, None] * [200.0, 80.0] + 5
POINT = np.full((12, 2), 7.0)
TWO_PLACES = np.where(np.arange(12)[:, None] % 2, [10.0, 20.0], [90.0, 15.0])


@pytest.mark.parametrize("source", [SPREAD, LINE, POINT, TWO_PLACES], ids=["spread", "line", "point", "two places"])
@pytest.mark.parametrize("target", [SPREAD, LINE, POINT, TWO_PLACES], ids=["spread", "line", "point", "two places"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 12])
def test_of_degenerate_points_comes_nothing_or_something_finite(source: Floats, target: Floats, count: int) -> None:
    found = simplest_map(Pairs(source[:count], target[:count], np.full(count, 0.5)))
    assert found is None or np.isfinite(found).all()


def test_points_at_infinity_are_not_finite_and_infinitely_far_off() -> None:
    vanishing = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0.0]])
    points = np.array([[0.0, 3.0], [2.0, 4.0]])
    moved = transformed(vanishing, points)
    assert not np.isfinite(moved[0]).all()
    assert moved[1].tolist() == [1, 2]
    assert transfer_errors(vanishing, points, np.array([[0.0, 0.0], [1.0, 5.0]])).tolist() == [np.inf, 3.0]

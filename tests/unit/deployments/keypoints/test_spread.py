"""Of a picture's keypoints the strong ones are kept, all over it and of all sizes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from deployments.keypoints.detector import Keypoints
from deployments.keypoints.spread import CROWDING, spread_order

SIZE = (800, 400)


def keypoints(points: NDArray[np.float64], sigmas: NDArray[np.float64], responses: NDArray[np.float64]) -> Keypoints:
    count = len(points)
    return Keypoints(
        points.astype(np.float32),
        sigmas.astype(np.float32),
        responses.astype(np.float32),
        np.zeros(count, np.int32),
        np.zeros((count, 3), np.float32),
    )


def cells(points: NDArray[np.float32]) -> NDArray[np.int64]:
    """(N,) which of 8 x 8 parts of the picture."""
    places = (points / np.array(SIZE) * 8).astype(np.int64)
    numbers: NDArray[np.int64] = places[:, 1] * 8 + places[:, 0]
    return numbers


def crowded(seed: int = 0) -> Keypoints:
    """Three hundred strong ones in one corner, two weak ones in every other cell."""
    rng = np.random.default_rng(seed)
    corner = rng.random((300, 2)) * (100, 50)
    across, down = np.meshgrid(np.arange(8) * 100 + 50.0, np.arange(8) * 50 + 25.0)
    rest = np.repeat(np.stack([across.ravel(), down.ravel()], axis=1)[1:], 2, axis=0)
    responses = np.concatenate([10 + rng.random(300), 1 + rng.random(len(rest))])
    return keypoints(np.concatenate([corner, rest]), np.full(300 + len(rest), 2.0), responses)


def test_every_cell_gets_some_before_one_gets_many() -> None:
    found = crowded()
    first = cells(found.points[spread_order(found, SIZE)[:100]])
    counts = np.bincount(first, minlength=64)
    assert (counts >= 1).all()
    assert counts[0] <= 8
    strongest = cells(found.points[np.argsort(-found.responses)[:100]])
    assert (np.bincount(strongest, minlength=64)[1:] == 0).all()


def test_the_strongest_of_a_cell_comes_before_the_others_of_it() -> None:
    found = crowded()
    order = spread_order(found, SIZE)
    for cell in range(64):
        own = order[cells(found.points[order]) == cell]
        assert (np.diff(found.responses[own]) <= 0).all()


def test_every_keypoint_comes_once() -> None:
    found = crowded()
    assert sorted(spread_order(found, SIZE).tolist()) == list(range(len(found)))


def test_a_second_best_counts_as_much_weaker_as_it_is_said() -> None:
    points = np.array([[50.0, 25.0], [51, 25], [250, 25]])
    for factor, order in ((1.01, [0, 1, 2]), (0.99, [0, 2, 1])):
        found = keypoints(points, np.full(3, 2.0), np.array([8.0, 4.0, 4.0 / CROWDING / factor]))
        assert spread_order(found, SIZE).tolist() == order


def test_a_large_keypoint_is_not_crowded_out_by_small_ones_of_its_place() -> None:
    small = np.full((50, 2), 50.0)
    points, sigmas = np.concatenate([small, [[50.0, 50.0]]]), np.append(np.full(50, 1.2), 20.0)
    found = keypoints(points, sigmas, np.append(np.full(50, 5.0), 2.0))
    assert 50 in spread_order(found, SIZE)[:5]


def test_where_nothing_is_crowded_the_strongest_come_first() -> None:
    points = np.stack([np.arange(8) * 100 + 50.0, np.arange(8) * 50 + 25.0], axis=1)
    responses = np.array([3.0, 7, 1, 5, 8, 2, 6, 4])
    order = spread_order(keypoints(points, np.full(8, 2.0), responses), SIZE)
    assert responses[order].tolist() == sorted(responses, reverse=True)


def test_equals_come_in_the_order_of_their_finding() -> None:
    points = np.stack([np.arange(8) * 100 + 50.0, np.full(8, 25.0)], axis=1)
    assert spread_order(keypoints(points, np.full(8, 2.0), np.ones(8)), SIZE).tolist() == list(range(8))


@pytest.mark.parametrize("point", [(0.0, 0.0), (-0.4, -0.4), (799.9, 399.9), (800.0, 400.0)], ids=str)
def test_keypoints_on_the_border_belong_to_the_outermost_cells(point: tuple[float, float]) -> None:
    found = keypoints(np.array([point]), np.array([0.01]), np.array([1.0]))
    assert spread_order(found, SIZE).tolist() == [0]


def test_of_no_keypoints_none_are_kept() -> None:
    order = spread_order(keypoints(np.zeros((0, 2)), np.zeros(0), np.zeros(0)), SIZE)
    assert order.shape == (0,)
    assert order.dtype == np.intp

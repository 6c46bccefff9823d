from __future__ import annotations

import numpy as np
import pytest

from deployments.pictures.pixel_kernels import WEIGHT_BITS, row_weights

CASES = [(500, 96), (96, 96), (97, 96), (1, 96), (2, 300), (1024, 8), (300, 1), (1, 1), (7, 5)]


@pytest.mark.parametrize(("source", "target"), CASES)
def test_weights_of_a_row_sum_to_one(source: int, target: int) -> None:
    weights = row_weights(source, target)
    sums = weights.values.astype(np.int64).sum(axis=1)
    assert np.abs(sums - (1 << WEIGHT_BITS)).max() <= weights.values.shape[1]


@pytest.mark.parametrize(("source", "target"), CASES)
def test_every_window_lies_within_the_source(source: int, target: int) -> None:
    weights = row_weights(source, target)
    assert weights.first.min() >= 0
    assert weights.first.max() + weights.values.shape[1] <= source


def test_a_size_that_stays_has_one_weight_a_row() -> None:
    weights = row_weights(50, 50)
    assert (np.count_nonzero(weights.values, axis=1) == 1).all()
    assert weights.values.max() == 1 << WEIGHT_BITS

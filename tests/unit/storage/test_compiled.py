"""Compiled loops compute what the same Python computes, bit for bit, wherever they are compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from storage.compiled import compiled


def _sums(numbers: NDArray[np.float32], totals: NDArray[np.float32]) -> None:
    for i in range(numbers.shape[0]):
        for j in range(numbers.shape[1]):
            totals[i] += numbers[i, j] * numbers[i, j]


def test_sums_keep_their_order_and_their_roundings() -> None:
    numbers = np.random.default_rng(0).normal(0, 1e4, (3, 500)).astype(np.float32)
    numbers[:, ::7] *= np.float32(1e-6)
    totals, wanted = np.zeros(3, np.float32), np.zeros(3, np.float32)
    compiled(_sums, "float32[:, :]", "float32[:]")(numbers, totals)
    _sums(numbers, wanted)
    np.testing.assert_array_equal(totals, wanted)


def test_only_the_types_that_were_named_are_taken() -> None:
    loop = compiled(_sums, "const float32[:, :]", "float32[:]")
    numbers, totals = np.ones((1, 4), np.float32), np.zeros(1, np.float32)
    numbers.setflags(write=False)
    loop(numbers, totals)
    assert totals.tolist() == [4.0]
    with pytest.raises(TypeError):
        loop(numbers.astype(np.float64), totals)
    with pytest.raises(TypeError):
        loop(np.asfortranarray(np.ones((3, 4), np.float32)), np.zeros(3, np.float32))


def test_a_loop_that_cannot_be_kept_on_disk_is_compiled_all_the_same() -> None:
    scope: dict[str, Any] = {}
    exec("def doubled(number):\n    return 2 * number", scope)
    assert compiled(scope["doubled"], "int64")(21) == 42

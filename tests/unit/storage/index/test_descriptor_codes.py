"""Descriptors in 4 bits a number: nothing is lost but what the levels cannot say."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from storage.index.descriptor_codes import packed, quantized, unpacked
from tests.suites.exact_index import plain_distances

LEVELS = arrays.arrays(
    np.uint8, st.tuples(st.integers(0, 5), st.integers(1, 8).map(lambda half: 2 * half)), elements=st.integers(0, 15)
)


@given(LEVELS)
def test_levels_come_back_as_they_were(levels: NDArray[np.uint8]) -> None:
    codes = packed(levels)
    assert codes.dtype == np.uint8
    assert codes.shape == (levels.shape[0], levels.shape[1] // 2)
    back = unpacked(codes)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, levels)


@given(arrays.arrays(np.uint8, st.tuples(st.integers(0, 5), st.integers(1, 8))))
def test_codes_come_back_as_they_were(codes: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(packed(unpacked(codes).astype(np.uint8)), codes)


def test_the_even_number_is_in_the_low_half() -> None:
    assert packed(np.array([[3, 10, 15, 0]], np.uint8)).tolist() == [[0xA3, 0x0F]]


def test_codes_of_every_other_row_unpack_as_their_copies_do() -> None:
    codes = np.random.default_rng(0).integers(0, 256, (6, 8), dtype=np.uint8)
    np.testing.assert_array_equal(unpacked(codes[::2]), unpacked(codes[::2].copy()))


def test_a_number_gets_the_nearest_level_and_the_ends_take_what_lies_beyond() -> None:
    vectors = np.array([[-9.0, -0.02, 0.14, 0.16, 0.74, 0.76, 1.49, 80.0]], np.float32)
    assert quantized(vectors, 0.1).tolist() == [[0, 0, 1, 2, 7, 8, 15, 15]]


def test_levels_begin_at_the_lowest_number() -> None:
    assert quantized(np.array([[-0.8, -0.7, 0.0, 0.7]], np.float32), 0.1, -0.8).tolist() == [[0, 1, 8, 15]]


@given(arrays.arrays(np.uint8, (4, 64)), arrays.arrays(np.uint8, (64,)))
def test_squared_distances_are_exact(codes: NDArray[np.uint8], query: NDArray[np.uint8]) -> None:
    wanted = [sum(_squared(int(a), int(b)) for a, b in zip(row, query, strict=True)) for row in codes]
    assert plain_distances("inliers", query, codes).tolist() == wanted


def _squared(a: int, b: int) -> int:
    return (a % 16 - b % 16) ** 2 + (a // 16 - b // 16) ** 2

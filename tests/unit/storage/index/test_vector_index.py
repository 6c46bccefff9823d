"""The oracle keeps the index contract, and its distances are the textbook ones."""

from __future__ import annotations

import numpy as np
import pytest

from storage.index.vector_index import VectorIndex, row_dtype, row_width
from storage.types.features import FeatureSpec
from tests.suites.exact_index import ExactIndex, plain_distances
from tests.suites.vector_index_suite import LOCAL_SPECS, SPECS, VectorIndexSuite, of_every


@of_every
class TestExactIndex(VectorIndexSuite):
    def make_index(self, spec: FeatureSpec) -> VectorIndex:
        return ExactIndex.empty(spec)


def test_hamming_counts_differing_bits() -> None:
    rows = np.array([[0b0000_0000], [0b1111_1111], [0b0000_0011]], np.uint8)
    assert plain_distances("hamming", rows[0], rows).tolist() == [0, 8, 2]


def test_l1_sums_absolute_differences() -> None:
    rows = np.array([[0.5, 0.5], [1.0, 0.0]], np.float32)
    assert plain_distances("l1", rows[0], rows).tolist() == [0, 1]


def test_cosine_is_zero_for_equal_two_for_opposite() -> None:
    rows = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], np.float32)
    assert plain_distances("cosine", rows[0], rows).tolist() == [0, 2, 1]


def test_inliers_are_counted_elsewhere_and_descriptors_compared_level_by_level() -> None:
    rows = np.array([[0x21, 0x43], [0x00, 0x43], [0xF1, 0x44]], np.uint8)
    assert plain_distances("inliers", rows[0], rows).tolist() == [0, 2**2 + 1, 13**2 + 1]


@pytest.mark.parametrize("spec", LOCAL_SPECS, ids=lambda spec: spec.name)
def test_rows_of_a_local_feature_have_two_numbers_to_a_byte(spec: FeatureSpec) -> None:
    assert row_width(spec) == spec.dim // 2
    assert row_dtype(spec) == np.uint8


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_rows_of_a_binary_feature_are_packed(spec: FeatureSpec) -> None:
    assert row_width(spec) == (spec.dim // 8 if spec.metric == "hamming" else spec.dim)
    assert row_dtype(spec) == (np.uint8 if spec.metric == "hamming" else np.float32)

"""The flat index keeps the contract with blocks of any size, and is refused where it has no kernel."""

from __future__ import annotations

import numpy as np
import pytest

from storage.errors import Misconfigured
from storage.index.flat import FlatIndex, empty_flat_index
from storage.index.vector_index import VectorIndex, row_dtype, row_width
from storage.types.features import FeatureSpec
from tests.suites.vector_index_suite import SPECS, VectorIndexSuite, add, make_rows, numbers, of_global, remove


@of_global
class TestFlatIndex(VectorIndexSuite):
    def make_index(self, spec: FeatureSpec) -> VectorIndex:
        return empty_flat_index(spec)


@of_global
class TestFlatIndexOfSmallBlocks(VectorIndexSuite):
    """Blocks of 16 rows: every operation crosses their borders."""

    def make_index(self, spec: FeatureSpec) -> VectorIndex:
        return FlatIndex(spec.metric, np.zeros((0, row_width(spec)), row_dtype(spec)), block_rows=16)


def test_churn_does_not_pile_up_blocks() -> None:
    spec = SPECS[0]
    rows = make_rows(spec, 1000, np.random.default_rng(0))
    index: VectorIndex = FlatIndex(spec.metric, rows[:0], block_rows=16)
    index = add(index, numbers(0, 64), rows[:64])
    for handle in range(64, 1000):
        index = index.with_changes(
            remove=numbers(handle - 64, handle - 63), add=numbers(handle, handle + 1), rows=rows[handle : handle + 1]
        )
    assert index.rows_count == 64
    assert len(list(index.live_blocks())) <= 10
    assert index.memory_bytes <= 2 * 64 * (72 + 8)


def test_a_row_filled_late_under_an_old_handle_can_be_removed() -> None:
    spec = SPECS[0]
    rows = make_rows(spec, 40, np.random.default_rng(0))
    index: VectorIndex = FlatIndex(spec.metric, rows[:0], block_rows=16)
    index = add(index, numbers(10, 40), rows[:30])
    index = add(index, numbers(3, 4), rows[30:31])
    index = remove(index, numbers(3, 4), rows)
    np.testing.assert_array_equal(index.live_rows()[0], numbers(10, 40))


def test_a_discarded_view_can_still_be_read() -> None:
    spec = SPECS[0]
    rows = make_rows(spec, 30, np.random.default_rng(6))
    base = add(FlatIndex(spec.metric, rows[:0], block_rows=16), numbers(0, 10), rows[:10])
    discarded = add(base, numbers(10, 20), rows[10:20])
    add(base, numbers(20, 30), rows[20:])
    np.testing.assert_array_equal(discarded.live_rows()[1], rows[:20])


def test_a_metric_without_a_kernel_is_refused() -> None:
    with pytest.raises(Misconfigured, match="inliers"):
        empty_flat_index(FeatureSpec("local", "local", 128, "inliers", "v1"))

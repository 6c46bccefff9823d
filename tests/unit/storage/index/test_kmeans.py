"""Training makes centroids of what an index holds, the same every time, and says when it is due."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from storage.index.descriptor_codes import packed, unpacked
from storage.index.inverted_file import NO_HANDLES, DescriptorIndex, empty_descriptor_index, nearest_centroids
from storage.index.kmeans import LISTS_RANGE, Partition, lists_for, sorted_anew, train_partition
from storage.index.vector_index import VectorIndex
from storage.tables.model_version_records import put_partition, stored_partition
from storage.tables.schema import META
from storage.types.features import FloatVectors, Vectors
from storage.upkeep.factory import IndexConfig, KindChoice
from storage.upkeep.rebuilding import training_is_due
from tests.suites.vector_index_suite import numbers
from tests.unit.storage.conftest import MakeStore

DIM = 32
CONFIG = IndexConfig(train_after_rows=100)


def clustered_rows(count: int, clusters: int = 40, seed: int = 0) -> Vectors:
    """(count, 16) codes around a few middles, as descriptors of real pictures are."""
    rng = np.random.default_rng(seed)
    middles = rng.integers(2, 14, (clusters, DIM))
    return packed((middles[rng.integers(0, clusters, count)] + rng.integers(-1, 2, (count, DIM))).astype(np.uint8))


def filled(count: int, rows: Vectors | None = None) -> DescriptorIndex:
    rows = clustered_rows(count) if rows is None else rows
    return empty_descriptor_index(DIM).with_changes(remove=NO_HANDLES, add=numbers(0, count), rows=rows)


def trained(count: int, removed: int = 0) -> DescriptorIndex:
    index = filled(count)
    index = sorted_anew(index, train_partition(index))
    return index.with_changes(remove=numbers(0, removed), add=NO_HANDLES, rows=clustered_rows(0))


def test_centroids_lie_nearer_to_the_rows_than_rows_picked_by_chance() -> None:
    index = filled(3000)
    levels = unpacked(index.live_rows()[1])
    partition = train_partition(index)
    assert partition.rows == 3000
    assert partition.centroids.shape == (lists_for(3000), DIM)
    picked = levels[:: 3000 // lists_for(3000)][: lists_for(3000)]
    assert _spread(levels, partition.centroids) < 0.8 * _spread(levels, picked)


def _spread(levels: NDArray[np.float32], centroids: FloatVectors) -> float:
    nearest = nearest_centroids(levels, centroids, 1)[:, 0]
    return float(np.square(levels - centroids[nearest]).sum(axis=1).mean())


def test_the_same_rows_give_the_same_centroids() -> None:
    one, other = train_partition(filled(500)), train_partition(filled(500))
    np.testing.assert_array_equal(one.centroids, other.centroids)


def test_removed_rows_are_not_trained_on() -> None:
    low, high = np.zeros((300, DIM // 2), np.uint8), np.full((300, DIM // 2), 0xFF, np.uint8)
    index = filled(600, np.concatenate([low, high])).with_changes(remove=numbers(0, 300), add=NO_HANDLES, rows=low[:0])
    partition = train_partition(index)
    assert partition.rows == 300
    assert partition.centroids.min() > 14


@pytest.mark.parametrize("count", [1, 2, 31, 40])
def test_few_rows_can_be_trained_on(count: int) -> None:
    index = filled(count)
    partition = train_partition(index)
    assert 1 <= len(partition.centroids) <= count
    assert sorted_anew(index, partition).rows_count == count


def test_rows_that_are_all_alike_can_be_trained_on() -> None:
    index = filled(400, clustered_rows(1)[[0] * 400])
    again = sorted_anew(index, train_partition(index))
    np.testing.assert_array_equal(again.search(clustered_rows(1), 2).handles, [[0, 1]])


def test_lists_grow_with_the_root_of_the_rows_within_bounds() -> None:
    least, most = LISTS_RANGE
    counts = [lists_for(rows) for rows in (1, least - 1, least, 10**4, 10**6, 10**12)]
    assert counts[:3] == [1, least - 1, least]
    assert least < counts[3] < counts[4] < counts[5] == most
    assert counts[4] == pytest.approx(10 * counts[3], rel=0.01)


def test_sorting_anew_keeps_the_live_rows_and_drops_the_dead() -> None:
    index = filled(900).with_changes(remove=numbers(100, 300), add=NO_HANDLES, rows=clustered_rows(0))
    again = sorted_anew(index, train_partition(index))
    assert (again.rows_count, again.dead_rows, again.kind, again.probes) == (700, 0, "inverted_file", index.probes)
    handles, codes = again.live_rows()
    order = np.argsort(handles)
    np.testing.assert_array_equal(handles[order], index.live_rows()[0])
    np.testing.assert_array_equal(codes[order], index.live_rows()[1])


def test_an_index_is_due_when_it_has_as_many_rows_as_configured() -> None:
    assert not training_is_due(filled(99), CONFIG, 0)
    assert training_is_due(filled(100), CONFIG, 0)
    assert training_is_due(filled(100), IndexConfig("inverted_file", 100), 0)


def test_a_trained_index_is_due_again_at_four_times_the_rows() -> None:
    assert not training_is_due(trained(399), CONFIG, 100)
    assert training_is_due(trained(400), CONFIG, 100)


def test_a_trained_index_is_due_when_more_than_a_quarter_of_its_rows_are_dead() -> None:
    assert not training_is_due(trained(400, removed=100), CONFIG, 400)
    assert training_is_due(trained(400, removed=101), CONFIG, 400)


@pytest.mark.parametrize(("kind", "due"), [("exact", False), ("auto", True), ("inverted_file", True)])
def test_an_index_that_is_to_be_exact_is_never_due(kind: KindChoice, due: bool) -> None:
    index: VectorIndex = filled(500)
    assert isinstance(index, DescriptorIndex)
    assert training_is_due(index, IndexConfig(kind, 100), 0) == due


def test_a_partition_is_kept_for_each_feature_of_its_own(make_store: MakeStore) -> None:
    store = make_store([META])
    centroids = np.random.default_rng(0).random((5, DIM), dtype=np.float32)
    store.write(lambda transaction: put_partition(transaction, "local", Partition(centroids, 77)))
    with store.read() as transaction:
        kept = stored_partition(transaction, "local")
        assert stored_partition(transaction, "loc") is None
    assert kept is not None
    assert kept.rows == 77
    np.testing.assert_array_equal(kept.centroids, centroids)

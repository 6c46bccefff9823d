"""The descriptor index keeps the contract with one list and with many, and neither shares more than it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from storage.index import inverted_file as descriptor_index
from storage.index.descriptor_codes import unpacked
from storage.index.inverted_file import DescriptorIndex, empty_descriptor_index, nearest_centroids
from storage.index.inverted_lists import FIRST_PAGES, PAGE_ROWS
from storage.index.kmeans import Partition, sorted_anew
from storage.index.vector_index import VectorIndex
from storage.types.features import FeatureSpec, Handles, Vectors
from tests.suites.exact_index import ExactIndex
from tests.suites.vector_index_suite import LOCAL_SPECS, VectorIndexSuite, add, make_rows, numbers, of_local, remove

(SPEC,) = LOCAL_SPECS
LISTS = 20
ACROSS_PAGES = PAGE_ROWS * FIRST_PAGES + 7  # rows that fill the first pages and need more


def centroids(count: int = LISTS) -> NDArray[np.float32]:
    return unpacked(make_rows(SPEC, count, np.random.default_rng(99)))


def many_lists(probes: int = LISTS) -> DescriptorIndex:
    return empty_descriptor_index(SPEC.dim, centroids(), probes)


def one_list() -> DescriptorIndex:
    return empty_descriptor_index(SPEC.dim)


def assert_exact(index: VectorIndex, handles: Handles, rows: Vectors, queries: Vectors, k: int) -> None:
    """Bit for bit what the oracle gives: distances are whole numbers, ties are broken by handle."""
    found, wanted = index.search(queries, k), add(ExactIndex.empty(SPEC), handles, rows).search(queries, k)
    np.testing.assert_array_equal(found.distances, wanted.distances)
    np.testing.assert_array_equal(found.handles, wanted.handles)


@of_local
class TestDescriptorIndex(VectorIndexSuite):
    def make_index(self, spec: FeatureSpec) -> VectorIndex:
        return empty_descriptor_index(spec.dim)

    def tidied(self, index: VectorIndex) -> VectorIndex:
        assert isinstance(index, DescriptorIndex)
        return sorted_anew(index, Partition(index.centroids, index.rows_count))


class TestDescriptorIndexOfManyLists(TestDescriptorIndex):
    """All of them are probed, so that it must find what the exact index finds."""

    keeps_insertion_order: ClassVar[bool] = False

    def make_index(self, spec: FeatureSpec) -> VectorIndex:
        return many_lists()


@pytest.mark.parametrize("make", [one_list, many_lists])
@pytest.mark.parametrize("count", [PAGE_ROWS - 1, PAGE_ROWS, PAGE_ROWS + 1, 5 * PAGE_ROWS, ACROSS_PAGES])
def test_rows_across_pages_are_all_found(make: Callable[[], DescriptorIndex], count: int) -> None:
    rng = np.random.default_rng(count)
    rows, queries = make_rows(SPEC, count, rng), make_rows(SPEC, 5, rng)
    at_once, in_steps = add(make(), numbers(0, count), rows), make()
    for start in range(0, count, 43):
        stop = min(start + 43, count)
        in_steps = in_steps.with_changes(remove=numbers(0, 0), add=numbers(start, stop), rows=rows[start:stop])
    assert at_once.rows_count == in_steps.rows_count == count
    assert_exact(at_once, numbers(0, count), rows, queries, 40)
    assert_exact(in_steps, numbers(0, count), rows, queries, 40)


@pytest.mark.parametrize("make", [one_list, many_lists])
def test_an_older_view_answers_the_same_while_newer_ones_grow(make: Callable[[], DescriptorIndex]) -> None:
    rng = np.random.default_rng(1)
    rows, queries = make_rows(SPEC, ACROSS_PAGES, rng), make_rows(SPEC, 4, rng)
    view = make()
    views = [(0, view)]
    for count in (5, 31, 32, 33, 300, ACROSS_PAGES):
        last, newest = views[-1]
        newest = newest.with_changes(remove=numbers(0, 0), add=numbers(last, count), rows=rows[last:count])
        views.append((count, newest))
    for count, view in views:
        assert view.rows_count == count
        assert_exact(view, numbers(0, count), rows[:count], queries, 40)


@pytest.mark.parametrize("make", [one_list, many_lists])
def test_an_older_view_does_not_miss_what_a_newer_one_removed(make: Callable[[], DescriptorIndex]) -> None:
    rows = make_rows(SPEC, 100, np.random.default_rng(2))
    full = add(make(), numbers(0, 100), rows)
    emptied = remove(full, numbers(0, 100), rows)
    assert (emptied.rows_count, full.rows_count) == (0, 100)
    assert (emptied.search(rows, 3).handles == -1).all()
    assert len(emptied.live_rows()[0]) == 0
    assert_exact(full, numbers(0, 100), rows, rows, 3)


@pytest.mark.parametrize("make", [one_list, many_lists])
def test_rows_of_a_discarded_view_are_written_over(make: Callable[[], DescriptorIndex]) -> None:
    rows = make_rows(SPEC, 400, np.random.default_rng(3))
    base = add(make(), numbers(0, 40), rows[:40])
    used = base.memory_bytes
    for _ in range(20):
        add(base, numbers(40, 340), rows[40:340])
    kept = add(base, numbers(900, 960), rows[340:])
    handles = np.r_[numbers(0, 40), numbers(900, 960)]
    assert_exact(kept, handles, rows[[*range(40), *range(340, 400)]], rows, 10)
    assert base.memory_bytes == used
    assert kept.memory_bytes == add(add(make(), numbers(0, 40), rows[:40]), numbers(0, 60), rows[340:]).memory_bytes


def test_of_equal_rows_those_of_the_smallest_handles_are_kept_whatever_their_order() -> None:
    row = make_rows(SPEC, 1, np.random.default_rng(4))
    handles = np.random.default_rng(4).permutation(200).astype(np.int64)
    for index in (one_list(), many_lists()):
        found = add(index, handles, row[[0] * 200]).search(row, 6)
        np.testing.assert_array_equal(found.handles, [[0, 1, 2, 3, 4, 5]])


def test_removing_the_same_handle_twice_counts_its_rows_once() -> None:
    rows = make_rows(SPEC, 40, np.random.default_rng(5))
    index = add(one_list(), np.repeat(numbers(1, 21), 2), rows)
    again = remove(remove(index, numbers(2, 3), rows), np.array([2, 2, 3], np.int64), rows)
    assert isinstance(again, DescriptorIndex)
    assert (again.rows_count, again.dead_rows) == (36, 4)


def test_the_rows_of_removed_pictures_leave_one_list_when_they_are_a_quarter() -> None:
    rows = make_rows(SPEC, 40, np.random.default_rng(5))
    index = add(one_list(), np.repeat(numbers(1, 21), 2), rows)
    tidied = remove(index, numbers(1, 7), rows)
    assert isinstance(tidied, DescriptorIndex)
    assert (tidied.rows_count, tidied.dead_rows) == (28, 0)
    assert set(tidied.live_rows()[0].tolist()) == set(range(7, 21))


def test_only_the_nearest_lists_are_probed() -> None:
    rng = np.random.default_rng(6)
    rows, queries = make_rows(SPEC, 600, rng), make_rows(SPEC, 30, rng)
    index = add(many_lists(probes=2), numbers(0, 600), rows)
    home = nearest_centroids(unpacked(rows), centroids(), 1)[:, 0]
    probed = nearest_centroids(unpacked(queries), centroids(), 2)
    for query, lists in zip(queries, probed, strict=True):
        within = np.isin(home, lists)
        assert_exact(index, numbers(0, 600)[within], rows[within], query[None], 9)


def test_every_row_lies_in_the_list_nearest_to_it() -> None:
    rows = make_rows(SPEC, 300, np.random.default_rng(7))
    index = add(many_lists(), numbers(0, 300), rows)
    squared = np.square(unpacked(rows)[:, None] - centroids()).sum(axis=2)
    for number, (handles, codes) in enumerate(index.live_blocks()):
        np.testing.assert_array_equal(codes, rows[handles])
        np.testing.assert_array_equal(squared[handles].argmin(axis=1), number)


def test_rows_added_in_many_parts_are_all_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptor_index, "ASSIGNED_AT_ONCE", 7)
    rows = make_rows(SPEC, 100, np.random.default_rng(8))
    assert_exact(add(many_lists(), numbers(0, 100), rows), numbers(0, 100), rows, rows, 3)


def test_enough_queries_for_two_threads_give_what_each_gives_alone() -> None:
    rng = np.random.default_rng(9)
    rows, queries = make_rows(SPEC, 200, rng), make_rows(SPEC, 3 * descriptor_index.QUERIES_TO_A_THREAD + 5, rng)
    for index in (one_list(), many_lists()):
        assert_exact(add(index, numbers(0, 200), rows), numbers(0, 200), rows, queries, 6)


def test_rows_and_queries_may_be_read_only_or_strided() -> None:
    rows = make_rows(SPEC, 80, np.random.default_rng(10))
    read_only = rows.copy()
    read_only.setflags(write=False)
    index = add(add(one_list(), numbers(0, 40), read_only[::2]), numbers(40, 120), read_only)
    wanted = np.concatenate([rows[::2], rows])
    assert_exact(index, numbers(0, 120), wanted, read_only, 5)
    assert_exact(index, numbers(0, 120), wanted, read_only[1::2], 5)


def test_it_is_called_exact_only_where_it_is() -> None:
    assert (one_list().kind, many_lists().kind) == ("exact", "inverted_file")


@pytest.mark.parametrize("pictures", [3, 40])
def test_few_allowed_pictures_are_compared_exactly_whatever_lists_they_lie_in(pictures: int) -> None:
    rng = np.random.default_rng(12)
    handles, rows = np.repeat(numbers(0, 100), 20), make_rows(SPEC, 2000, rng)
    index, oracle = add(many_lists(probes=1), handles, rows), add(ExactIndex.empty(SPEC), handles, rows)
    index, oracle = remove(index, numbers(0, 2), rows), remove(oracle, numbers(0, 2), rows)
    allowed = np.arange(100) < pictures
    queries = make_rows(SPEC, 6, rng)
    found, wanted = index.search(queries, 10, allowed), oracle.search(queries, 10, allowed)
    np.testing.assert_array_equal(found.handles, wanted.handles)
    np.testing.assert_array_equal(found.distances, wanted.distances)


def test_more_lists_are_looked_into_where_a_part_of_the_pictures_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptor_index, "FEW_ROWS", 10)
    rng = np.random.default_rng(13)
    handles, rows = numbers(0, 2000), make_rows(SPEC, 2000, rng)
    index, oracle = add(many_lists(probes=3), handles, rows), add(ExactIndex.empty(SPEC), handles, rows)
    allowed, queries = np.arange(2000) % 10 == 0, make_rows(SPEC, 6, rng)
    found, wanted = index.search(queries, 20, allowed), oracle.search(queries, 20, allowed)
    np.testing.assert_array_equal(found.handles, wanted.handles)  # 8 times 3 lists are all of them
    assert set((found.handles % 10).ravel().tolist()) == {0}

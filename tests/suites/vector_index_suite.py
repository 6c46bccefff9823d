"""What every vector index must do, whatever its kind: subclass it, give `make_index`, and parametrize ``spec``."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from storage.index.vector_index import Neighbors, VectorIndex, row_width
from storage.types.features import FeatureSpec, Handles, Vectors
from tests.suites.exact_index import ExactIndex

SPECS = (
    FeatureSpec("bits", "binary", 576, "hamming", "v1"),
    FeatureSpec("few_bits", "binary", 40, "hamming", "v1"),
    FeatureSpec("histogram", "dense", 32, "l1", "v1"),
    FeatureSpec("embedding", "dense", 24, "cosine", "v1"),
)
LOCAL_SPECS = (FeatureSpec("descriptors", "local", 32, "inliers", "v1"),)
of_every = pytest.mark.parametrize("spec", [*SPECS, *LOCAL_SPECS], ids=lambda spec: spec.name)
of_global = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
of_local = pytest.mark.parametrize("spec", LOCAL_SPECS, ids=lambda spec: spec.name)
NOTHING: Handles = np.zeros(0, np.int64)


def make_rows(spec: FeatureSpec, count: int, rng: np.random.Generator) -> Vectors:
    """(count, D) rows as an extractor would give them."""
    if spec.kind in ("binary", "local"):
        return rng.integers(0, 256, (count, row_width(spec)), dtype=np.uint8)
    rows = rng.random((count, spec.dim), dtype=np.float32)
    rows[rows < 0.7] = 0
    rows[:, 0] += 0.01
    norms = rows.sum(axis=1) if spec.metric == "l1" else np.linalg.norm(rows, axis=1)
    unit: NDArray[np.float32] = (rows / norms[:, None]).astype(np.float32)
    return unit


def numbers(start: int, stop: int) -> Handles:
    return np.arange(start, stop, dtype=np.int64)


def add(index: VectorIndex, handles: Handles, rows: Vectors) -> VectorIndex:
    return index.with_changes(remove=NOTHING, add=handles, rows=rows)


def remove(index: VectorIndex, handles: Handles, like: Vectors) -> VectorIndex:
    return index.with_changes(remove=handles, add=NOTHING, rows=like[:0])


def assert_same_answer(found: Neighbors, wanted: Neighbors) -> None:
    """Equal distances, and equal handles wherever rounding cannot have swapped two rows."""
    np.testing.assert_allclose(found.distances, wanted.distances, atol=2e-6, rtol=1e-5)
    finite = np.where(np.isfinite(wanted.distances), wanted.distances, 1e9)
    gaps = np.diff(finite, axis=1, prepend=-1, append=2e9)
    clear = (gaps[:, :-1] > 1e-4) & (gaps[:, 1:] > 1e-4)
    np.testing.assert_array_equal(found.handles[clear], wanted.handles[clear])


class VectorIndexSuite(ABC):
    keeps_insertion_order: ClassVar[bool] = True  # of its live rows

    @abstractmethod
    def make_index(self, spec: FeatureSpec) -> VectorIndex:
        """An empty index."""

    def tidied(self, index: VectorIndex) -> VectorIndex:
        """The index after it was rid of removed rows, where it keeps them for a while."""
        return index

    def assert_holds(self, index: VectorIndex, handles: Handles, rows: Vectors) -> None:
        """These live rows and no other; in this order, too, where the kind promises it."""
        found_handles, found_rows = index.live_rows()
        if self.keeps_insertion_order:
            np.testing.assert_array_equal(found_handles, handles)
            np.testing.assert_array_equal(found_rows, rows)
        assert _sorted_pairs(found_handles, found_rows) == _sorted_pairs(handles, rows)

    def test_an_empty_index_finds_nothing(self, spec: FeatureSpec) -> None:
        found = self.make_index(spec).search(make_rows(spec, 2, np.random.default_rng(0)), 3)
        np.testing.assert_array_equal(found.handles, np.full((2, 3), -1))
        assert np.isinf(found.distances).all()

    def test_search_gives_what_the_oracle_gives(self, spec: FeatureSpec) -> None:
        rng = np.random.default_rng(1)
        rows, queries = make_rows(spec, 500, rng), make_rows(spec, 7, rng)
        index, oracle = (
            add(self.make_index(spec), numbers(5, 505), rows),
            add(ExactIndex.empty(spec), numbers(5, 505), rows),
        )
        for k in (1, 10, 500, 600):
            assert_same_answer(index.search(queries, k), oracle.search(queries, k))

    @pytest.mark.parametrize("share", [0, 0.01, 0.1, 0.5, 0.95, 1])
    def test_a_search_among_allowed_pictures_gives_what_the_oracle_gives(self, spec: FeatureSpec, share: float) -> None:
        rng = np.random.default_rng(11)
        rows, queries = make_rows(spec, 900, rng), make_rows(spec, 5, rng)
        handles = np.repeat(numbers(5, 305), 3)
        index, oracle = add(self.make_index(spec), handles, rows), add(ExactIndex.empty(spec), handles, rows)
        index, oracle = remove(index, numbers(40, 60), rows), remove(oracle, numbers(40, 60), rows)
        allowed = rng.random(300) < share  # some handles lie behind its end
        allowed.flags.writeable = False
        for k in (1, 10, 1000):
            assert_same_answer(index.search(queries, k, allowed), oracle.search(queries, k, allowed))

    def test_a_batch_of_queries_gives_what_they_give_one_by_one(self, spec: FeatureSpec) -> None:
        rng = np.random.default_rng(2)
        rows, queries = make_rows(spec, 300, rng), make_rows(spec, 40, rng)
        index = add(self.make_index(spec), numbers(0, 300), rows)
        together = index.search(queries, 8)
        for i in range(len(queries)):
            alone = index.search(queries[i : i + 1], 8)
            assert_same_answer(Neighbors(together.handles[i : i + 1], together.distances[i : i + 1]), alone)

    def test_equal_rows_come_in_row_order(self, spec: FeatureSpec) -> None:
        row: Vectors = make_rows(spec, 1, np.random.default_rng(3))
        twenty: Vectors = row[[0] * 20]
        index = self.make_index(spec)
        for start in range(0, 200, 20):
            index = add(index, numbers(start, start + 20), twenty)
        index = remove(index, np.array([0, 7], np.int64), row)
        np.testing.assert_array_equal(index.search(row, 5).handles, [[1, 2, 3, 4, 5]])

    def test_a_removed_handle_loses_all_its_rows(self, spec: FeatureSpec) -> None:
        rows = make_rows(spec, 6, np.random.default_rng(4))
        index = add(self.make_index(spec), np.array([1, 1, 2, 2, 3, 3], np.int64), rows)
        index = remove(index, np.array([2, 99], np.int64), rows)
        self.assert_holds(index, np.array([1, 1, 3, 3], np.int64), rows[[0, 1, 4, 5]])
        assert index.rows_count == 4
        assert 2 not in index.search(rows, 6).handles

    def test_an_older_view_stays_as_it_was(self, spec: FeatureSpec) -> None:
        rows = make_rows(spec, 30, np.random.default_rng(5))
        first = add(self.make_index(spec), numbers(0, 10), rows[:10])
        second = first.with_changes(remove=numbers(0, 5), add=numbers(10, 30), rows=rows[10:])
        self.assert_holds(first, numbers(0, 10), rows[:10])
        np.testing.assert_array_equal(first.search(rows[:1], 1).handles, [[0]])
        self.assert_holds(second, numbers(5, 30), rows[5:])

    def test_a_discarded_view_leaves_no_trace_in_the_next(self, spec: FeatureSpec) -> None:
        rows = make_rows(spec, 30, np.random.default_rng(6))
        base = add(self.make_index(spec), numbers(0, 10), rows[:10])
        add(base, numbers(10, 20), rows[10:20])
        kept = add(base, numbers(20, 30), rows[20:])
        self.assert_holds(kept, np.r_[numbers(0, 10), numbers(20, 30)], rows[[*range(10), *range(20, 30)]])
        self.assert_holds(base, numbers(0, 10), rows[:10])

    def test_blocks_hold_the_live_rows_in_order(self, spec: FeatureSpec) -> None:
        rows = make_rows(spec, 100, np.random.default_rng(7))
        index = remove(add(self.make_index(spec), numbers(0, 100), rows), numbers(30, 40), rows)
        blocks = list(index.live_blocks())
        np.testing.assert_array_equal(np.concatenate([handles for handles, _ in blocks]), index.live_rows()[0])
        np.testing.assert_array_equal(np.concatenate([part for _, part in blocks]), index.live_rows()[1])

    def test_memory_follows_the_live_rows(self, spec: FeatureSpec) -> None:
        rows = make_rows(spec, 4000, np.random.default_rng(8))
        full = add(self.make_index(spec), numbers(0, 4000), rows)
        emptied = self.tidied(remove(full, numbers(0, 3990), rows))
        assert full.memory_bytes >= rows.nbytes
        assert emptied.memory_bytes < rows.nbytes // 4

    def test_random_changes_give_what_the_oracle_gives(self, spec: FeatureSpec) -> None:
        rng = np.random.default_rng(9)
        index, next_handle = self.make_index(spec), 0
        oracle: VectorIndex = ExactIndex.empty(spec)
        alive: list[int] = []
        for _ in range(60):
            count = int(rng.integers(0, 12))
            gone = (
                rng.choice(alive, min(len(alive), int(rng.integers(0, 10))), replace=False).astype(np.int64)
                if alive
                else NOTHING
            )
            handles, rows = numbers(next_handle, next_handle + count), make_rows(spec, count, rng)
            next_handle += count
            alive = [*(handle for handle in alive if handle not in gone), *handles.tolist()]
            index = index.with_changes(remove=gone, add=handles, rows=rows)
            oracle = add(remove(oracle, gone, rows), handles, rows)
            self.assert_holds(index, *oracle.live_rows())
        queries = make_rows(spec, 5, rng)
        assert_same_answer(index.search(queries, 9), oracle.search(queries, 9))

    def test_searches_during_writes_see_one_whole_view(self, spec: FeatureSpec) -> None:
        row = make_rows(spec, 1, np.random.default_rng(10))
        newest = [add(self.make_index(spec), numbers(0, 1), row)]
        wrong: list[object] = []
        done = threading.Event()

        def search() -> None:
            while not done.is_set():
                found = newest[0].search(row, 2)
                if found.handles[0, 0] == -1 or found.handles[0, 1] != -1:
                    wrong.append(found)

        searchers = [threading.Thread(target=search) for _ in range(2)]
        for thread in searchers:
            thread.start()
        for handle in range(1, 300):
            newest[0] = newest[0].with_changes(
                remove=numbers(handle - 1, handle), add=numbers(handle, handle + 1), rows=row
            )
        done.set()
        for thread in searchers:
            thread.join()
        assert not wrong


def _sorted_pairs(handles: Handles, rows: Vectors) -> list[tuple[int, bytes]]:
    return sorted((int(handle), row.tobytes()) for handle, row in zip(handles, rows, strict=True))

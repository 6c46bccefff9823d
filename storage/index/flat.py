"""The flat index: every row compared by FAISS's kernels, exact, over blocks of rows that readers and the writer share
without a lock.

No FAISS index object is kept, because changing one excludes its readers. Distances of one block are computed into a
small buffer and the nearest are picked from it, which costs as little as FAISS's own k-nearest-neighbour search (one
576-bit query over a million rows: 7 ms against 8), skips dead rows exactly, and breaks ties by row order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import faiss
import numpy as np
from numpy.typing import NDArray

from storage.errors import Misconfigured
from storage.index.row_blocks import BLOCK_ROWS, Block, append_rows, strike_rows
from storage.index.sample import Places, Sample, drawn
from storage.index.vector_index import Allowed, Neighbors, are_allowed, row_dtype, row_width
from storage.types.features import FeatureSpec, Handles, Metric, Vectors

CACHE_BYTES = (
    2 << 20
)  # rows of a block taken at a time by several queries, so that they come from the processor's cache

NOWHERE: Places = np.zeros(0, np.intp)
FEW = 0.25  # of the rows: what is allowed is copied out and compared alone

Distances = NDArray[np.int32] | NDArray[np.float32]  # (Q, N)


class FlatIndex:
    """An immutable view over blocks of rows; see `storage.index.vector_index.VectorIndex` for the contract."""

    kind = "exact"

    def __init__(
        self,
        metric: Metric,
        empty: Vectors,
        *,
        block_rows: int = BLOCK_ROWS,
        blocks: tuple[Block, ...] = (),
        sample: Sample | None = None,
    ) -> None:
        """empty: (0, D) of the rows' type. sample: of an earlier view."""
        self._metric = metric
        self._empty = empty
        self._block_rows = block_rows
        self._blocks = blocks
        self._sample = sample
        self._row_bytes: int = empty.shape[1] * empty.itemsize

    @property
    def rows_count(self) -> int:
        return sum(block.live_count for block in self._blocks)

    @property
    def memory_bytes(self) -> int:
        row_bytes = self._row_bytes + 8  # and its handle
        masks = sum(len(block.alive) for block in self._blocks if block.alive is not None)
        return sum(block.used for block in self._blocks) * row_bytes + masks

    def search(self, queries: Vectors, k: int, allowed: Allowed | None = None) -> Neighbors:
        return self._search(queries, k, allowed, {})[0]

    def search_with_sample(
        self, queries: Vectors, k: int, allowed: Allowed | None, size: int
    ) -> tuple[Neighbors, Handles, NDArray[np.number]]:
        """As `search`, and (S,) handles of a sample of about ``size`` rows with (Q, S) their distances, whatever is
        allowed; see `storage.index.sample`.
        """
        sample = self._sample = drawn(self._blocks, size, self._sample)  # of two threads at once, either's will do
        neighbors, distances = self._search(queries, k, allowed, sample.places)
        if not self._blocks:
            return neighbors, np.zeros(0, np.int64), np.zeros((len(queries), 0), np.float32)
        handles = [block.handles[sample.places[block]] for block in self._blocks]
        return neighbors, np.concatenate(handles), np.concatenate(distances, axis=1)

    def _search(
        self, queries: Vectors, k: int, allowed: Allowed | None, places: Mapping[Block, Places]
    ) -> tuple[Neighbors, list[Distances]]:
        """places: of rows whose distances are to be told."""
        asked: Vectors = np.ascontiguousarray(queries, self._empty.dtype)  # type: ignore[assignment]  # the dtype is a variable
        nearest = [_Nearest(k) for _ in asked]
        told: list[Distances] = []
        for block in self._blocks:
            step = block.used if len(asked) == 1 else max(1024, CACHE_BYTES // self._row_bytes)
            wanted = places.get(block, NOWHERE)
            for start in range(0, block.used, step):
                part = slice(start, min(start + step, block.used))
                first, last = np.searchsorted(wanted, [part.start, part.stop])
                told.append(self._search_rows(asked, block, part, allowed, nearest, wanted[first:last] - start))
        found = Neighbors(
            np.stack([one.result()[0] for one in nearest]) if nearest else np.zeros((0, k), np.int64),
            np.stack([one.result()[1] for one in nearest]) if nearest else np.zeros((0, k), np.float32),
        )
        return found, told

    def _search_rows(
        self,
        queries: Vectors,
        block: Block,
        part: slice,
        allowed: Allowed | None,
        nearest: list[_Nearest],
        places: Places,
    ) -> Distances:
        """The distances of the rows at the places, in the part."""
        rows, handles = block.rows[part], block.handles[part]
        told: Distances | None = None
        wanted = None if block.alive is None else block.alive[part]
        if allowed is not None:
            permitted = are_allowed(allowed, handles)
            wanted = permitted if wanted is None else permitted & wanted
            if np.count_nonzero(wanted) + len(places) < FEW * len(handles):  # comparing these alone is the less work
                few = np.flatnonzero(wanted)
                told = self._distances_in_pieces(queries, rows, places)
                rows, handles, wanted = rows[few], handles[few], None
        distances = self._distances(queries, rows)
        if told is None:
            told = distances[:, places]
        if wanted is not None:
            distances += np.multiply(~wanted, _Nearest.NEVER, dtype=distances.dtype)  # a tenth of the time of a mask
        for one, row in zip(nearest, distances, strict=True):
            one.offer(handles, row)
        return told

    def _distances_in_pieces(self, queries: Vectors, rows: Vectors, places: Places) -> Distances:
        """(Q, S) of the rows at the places, copied out as many at a time as the processor's cache holds."""
        step = CACHE_BYTES // self._row_bytes
        starts = range(0, max(1, len(places)), step)
        return np.concatenate([self._distances(queries, rows[places[at : at + step]]) for at in starts], axis=1)

    def _distances(self, queries: Vectors, rows: Vectors) -> Distances:
        """(Q, N)"""
        return _KERNELS[self._metric](queries, rows) if len(rows) else np.zeros((len(queries), 0), np.float32)

    def with_changes(self, *, remove: Handles, add: Handles, rows: Vectors) -> FlatIndex:
        blocks = strike_rows(self._blocks, remove, self._block_rows)
        blocks = append_rows(blocks, add, rows, self._block_rows)
        sample = None if self._sample is None else self._sample.among(blocks)
        return FlatIndex(self._metric, self._empty, block_rows=self._block_rows, blocks=blocks, sample=sample)

    def live_rows(self) -> tuple[Handles, Vectors]:
        parts = [(np.zeros(0, np.int64), self._empty), *self.live_blocks()]
        return np.concatenate([handles for handles, _ in parts]), np.concatenate([rows for _, rows in parts])

    def live_blocks(self) -> Iterator[tuple[Handles, Vectors]]:
        for block in self._blocks:
            yield block.live()


class _Nearest:
    """The k nearest rows seen so far by one query, the earlier row first among equals."""

    NEVER = 1 << 30  # farther than any row, exact in int32 and in float32

    def __init__(self, k: int) -> None:
        self._k = k
        self._bound: float = self.NEVER  # a row as far as this cannot enter any more
        self._handles: Handles = np.zeros(0, np.int64)
        self._distances: NDArray[np.float32] = np.zeros(0, np.float32)

    def offer(self, handles: Handles, distances: Distances) -> None:
        """Rows (N,) with their distances, in row order, all after those offered before."""
        if len(self._handles) < self._k and len(distances) > 4 * self._k:
            kept = _smallest(distances, self._k)
            kept = kept[distances[kept] < self._bound]
        else:
            kept = np.flatnonzero(distances < self._bound)
        if not len(kept):
            return
        self._handles = np.concatenate([self._handles, handles[kept]])
        self._distances = np.concatenate([self._distances, distances[kept].astype(np.float32)])
        if len(self._handles) >= self._k:
            best = np.argsort(self._distances, kind="stable")[: self._k]
            self._handles, self._distances = self._handles[best], self._distances[best]
            self._bound = float(self._distances[-1])

    def result(self) -> tuple[Handles, NDArray[np.float32]]:
        """(K,) handles and distances, nearest first, filled up with -1 and infinity."""
        handles = np.full(self._k, -1, np.int64)
        distances = np.full(self._k, np.inf, np.float32)
        order = np.argsort(self._distances, kind="stable")
        handles[: len(order)], distances[: len(order)] = self._handles[order], self._distances[order]
        return handles, distances


def _smallest(distances: Distances, k: int) -> NDArray[np.intp]:
    """Positions of the k smallest, in row order; of those equal to the largest of them, the first."""
    bound = np.partition(distances, k - 1)[k - 1]
    below = np.flatnonzero(distances < bound)
    equal = np.flatnonzero(distances == bound)[: k - len(below)]
    return np.sort(np.concatenate([below, equal]))


def _hamming(queries: Vectors, rows: Vectors) -> Distances:
    distances = np.empty((len(queries), len(rows)), np.int32)
    arrays = (faiss.swig_ptr(queries), faiss.swig_ptr(rows))
    sizes = (len(queries), len(rows), rows.shape[1])
    faiss.hammings(*arrays, *sizes, faiss.swig_ptr(distances))  # type: ignore[attr-defined]  # not in its stubs
    return distances


def _l1(queries: Vectors, rows: Vectors) -> Distances:
    distances: NDArray[np.float32] = faiss.pairwise_distances(
        np.asarray(queries, np.float32), np.asarray(rows, np.float32), faiss.METRIC_L1
    )
    return distances


def _cosine(queries: Vectors, rows: Vectors) -> Distances:
    return np.asarray(np.float32(1.0) - queries @ rows.T, np.float32)


_KERNELS: Mapping[Metric, Callable[[Vectors, Vectors], Distances]] = {
    "hamming": _hamming,
    "l1": _l1,
    "cosine": _cosine,
}


def empty_flat_index(spec: FeatureSpec) -> FlatIndex:
    """Raises `Misconfigured` for a metric that there is no kernel for."""
    if spec.metric not in _KERNELS:
        raise Misconfigured(
            f"feature {spec.name!r}: no index for the metric {spec.metric!r}", f"one of {', '.join(_KERNELS)}"
        )
    return FlatIndex(spec.metric, np.zeros((0, row_width(spec)), row_dtype(spec)))

"""The index of local descriptors: inverted lists of 4-bit codes, compared exactly within the lists that are probed.

With a single list it is the exact index. With more it is an inverted file (Jegou, Douze, Schmid, "Product
Quantization for Nearest Neighbor Search", PAMI 2011) whose lists keep the codes themselves instead of shorter ones:
nothing is lost beyond the probing, and nothing has to be trained but the centroids.

Like every index here it is a value (`storage.index.vector_index`). Pictures that were removed are struck by their
handles, and their rows leave when they are a quarter of all: at once where there is one list, otherwise by training.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.index.descriptor_codes import unpacked
from storage.index.inverted_lists import InvertedLists, Numbers
from storage.index.vector_index import Allowed, Neighbors
from storage.types.features import BinaryVectors, FloatVectors, Handles, Vectors

PROBES = 8
DEAD_FRACTION = 0.25  # of all rows, past which those of removed pictures are cleared away
THREADS = 2
QUERIES_TO_A_THREAD = 64
FEW_ROWS = 10_000  # allowed ones: comparing all of these takes no longer than the lists do
MOST_PROBES_TIMES = 8  # as many lists, where an eighth of the pictures or less is allowed
ASSIGNED_AT_ONCE = 16_384  # rows
NO_HANDLES: Handles = np.zeros(0, np.int64)
FARTHEST = np.iinfo(np.int32).max


class DescriptorIndex:
    """An immutable view; distances are squared, in levels. Made by `empty_descriptor_index`."""

    def __init__(
        self, lists: InvertedLists, centroids: FloatVectors, probes: int, dead: Handles = NO_HANDLES, dead_rows: int = 0
    ) -> None:
        """dead: sorted handles of removed pictures that still have rows, dead_rows: how many."""
        self.kind: str = "exact" if len(centroids) == 1 else "inverted_file"
        self.centroids = centroids
        self.probes = probes
        self.dead_rows = dead_rows
        self._lists = lists
        self._dead = dead

    @property
    def rows_count(self) -> int:
        return self._lists.rows_count - self.dead_rows

    @property
    def memory_bytes(self) -> int:
        return self._lists.memory_bytes + self.centroids.nbytes + self._dead.nbytes

    def search(self, queries: Vectors, k: int, allowed: Allowed | None = None) -> Neighbors:
        """The k nearest live rows of each query (Q, D / 2) in the lists nearest to it. Ties by handle.

        Where few rows are allowed these are compared one by one; where a part of them is, more lists are looked into.
        """
        probes = self.probes
        if allowed is not None and self.kind != "exact":
            share = np.count_nonzero(allowed) / max(1, len(allowed))
            few = self._lists.rows_of_pictures(allowed, self._dead, FEW_ROWS)
            if few is not None:
                alone = empty_descriptor_index(2 * self._lists.width)
                return alone.with_changes(remove=NO_HANDLES, add=few[0], rows=few[1]).search(queries, k)
            probes = round(probes * min(MOST_PROBES_TIMES, 1 / max(share, 1e-9)))
        handles = np.full((len(queries), k), -1, np.int64)
        distances = np.full((len(queries), k), FARTHEST, np.int32)
        if len(queries) and self.rows_count:
            codes = _contiguous(queries)
            probed = self._nearest_lists(codes, probes)
            parts = min(THREADS, -(-len(codes) // QUERIES_TO_A_THREAD))
            bounds = [len(codes) * part // parts for part in range(parts + 1)]
            slices = [slice(*ends) for ends in pairwise(bounds)]

            def scan(part: slice) -> None:
                self._lists.scan(codes[part], probed[part], self._dead, handles[part], distances[part], allowed)

            for _ in _pool().map(scan, slices) if parts > 1 else map(scan, slices):
                pass
        return Neighbors(handles, np.where(handles < 0, np.inf, distances).astype(np.float32))

    def with_changes(self, *, remove: Handles, add: Handles, rows: Vectors) -> DescriptorIndex:
        index = self._without(remove) if len(remove) else self
        for start in range(0, len(add), ASSIGNED_AT_ONCE):
            part = slice(start, start + ASSIGNED_AT_ONCE)
            codes = _contiguous(rows[part])
            index = index.with_sorted_rows(add[part], codes, self._nearest_lists(codes, 1)[:, 0])
        return index

    def with_sorted_rows(self, handles: Handles, codes: Vectors, home: Numbers) -> DescriptorIndex:
        """The index with rows whose lists ``home`` (N,) are known already."""
        lists = self._lists.appended(handles, _contiguous(codes), home)
        return DescriptorIndex(lists, self.centroids, self.probes, self._dead, self.dead_rows)

    def _without(self, removed: Handles) -> DescriptorIndex:
        new = np.setdiff1d(removed, self._dead)
        rows, owners = self._lists.count_of(new)
        if not rows:
            return self
        dead, dead_rows = np.union1d(self._dead, owners), self.dead_rows + rows
        struck = DescriptorIndex(self._lists, self.centroids, self.probes, dead, dead_rows)
        if self.kind != "exact" or dead_rows <= DEAD_FRACTION * self._lists.rows_count:
            return struck
        # Without the rows of removed pictures. Of an index with many lists that is left to the next training.
        handles, codes = struck.live_rows()
        empty = empty_descriptor_index(2 * self._lists.width, self.centroids, self.probes)
        return empty.with_changes(remove=NO_HANDLES, add=handles, rows=codes)

    def _nearest_lists(self, codes: BinaryVectors, count: int) -> Numbers:
        """(N, count) numbers of the lists nearest to each code, nearest first."""
        lists = len(self.centroids)
        if lists == 1:
            return np.zeros((len(codes), 1), np.int32)
        return nearest_centroids(unpacked(codes), self.centroids, min(count, lists))

    def live_rows(self) -> tuple[Handles, Vectors]:
        parts = [(NO_HANDLES, np.zeros((0, self._lists.width), np.uint8)), *self.live_blocks()]
        return np.concatenate([handles for handles, _ in parts]), np.concatenate([codes for _, codes in parts])

    def live_blocks(self) -> Iterator[tuple[Handles, Vectors]]:
        """List by list."""
        for number in range(len(self.centroids)):
            handles, codes = self._lists.rows_of(number)
            if len(self._dead):
                alive = ~np.isin(handles, self._dead)
                handles, codes = handles[alive], codes[alive]
            yield handles, codes


def empty_descriptor_index(dim: int, centroids: FloatVectors | None = None, probes: int = PROBES) -> DescriptorIndex:
    """An index for ``dim`` numbers a row; exact without ``centroids`` (L, dim), in levels."""
    middles = np.zeros((1, dim), np.float32) if centroids is None else np.ascontiguousarray(centroids, np.float32)
    return DescriptorIndex(InvertedLists.empty(len(middles), dim // 2), middles, probes)


def nearest_centroids(levels: NDArray[np.float32], centroids: FloatVectors, count: int) -> Numbers:
    """(N, count) numbers of the centroids nearest to each row, nearest first."""
    _, nearest = faiss_with_matrix_products().knn(levels, centroids, count)
    return np.asarray(nearest, np.int32)


def faiss_with_matrix_products() -> Any:
    """FAISS, set to compute distances by matrix products from 20 queries on; as shipped it does from 128,000."""
    import faiss  # 0.2 s: only where there are centroids

    faiss.cvar.distance_compute_blas_threshold = 20
    return faiss


def _contiguous(codes: Vectors) -> BinaryVectors:
    """C-contiguous and writable, as the compiled loops want them."""
    array = np.ascontiguousarray(codes, np.uint8)
    return array if array.flags.writeable else array.copy()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="descriptors")

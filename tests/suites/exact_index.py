"""The oracle of every vector index: plain numpy over all pairs, slow and right."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from storage.index.descriptor_codes import unpacked
from storage.index.vector_index import Allowed, Neighbors, row_dtype, row_width
from storage.types.features import FeatureSpec, Handles, Metric, Vectors


class ExactIndex:
    """What every other index is tested against."""

    kind = "oracle"

    def __init__(self, metric: Metric, handles: Handles, rows: Vectors) -> None:
        self._metric = metric
        self._handles = handles
        self._rows = rows

    @classmethod
    def empty(cls, spec: FeatureSpec) -> ExactIndex:
        return cls(spec.metric, np.zeros(0, np.int64), np.zeros((0, row_width(spec)), row_dtype(spec)))

    @property
    def rows_count(self) -> int:
        return len(self._rows)

    @property
    def memory_bytes(self) -> int:
        return self._rows.nbytes + self._handles.nbytes

    def search(self, queries: Vectors, k: int, allowed: Allowed | None = None) -> Neighbors:
        handles = np.full((len(queries), k), -1, np.int64)
        distances = np.full((len(queries), k), np.inf, np.float32)
        for i, query in enumerate(queries):
            every = plain_distances(self._metric, query, self._rows)
            nearest = np.argsort(every, kind="stable")
            if allowed is not None:
                nearest = nearest[
                    [handle < len(allowed) and bool(allowed[handle]) for handle in self._handles[nearest]]
                ]
            nearest = nearest[:k]
            handles[i, : len(nearest)] = self._handles[nearest]
            distances[i, : len(nearest)] = every[nearest]
        return Neighbors(handles, distances)

    def with_changes(self, *, remove: Handles, add: Handles, rows: Vectors) -> ExactIndex:
        kept = ~np.isin(self._handles, remove)
        return ExactIndex(
            self._metric,
            np.concatenate([self._handles[kept], add]),
            np.concatenate([self._rows[kept], rows]),
        )

    def live_rows(self) -> tuple[Handles, Vectors]:
        return self._handles, self._rows

    def live_blocks(self) -> Iterator[tuple[Handles, Vectors]]:
        yield self._handles, self._rows


def plain_distances(metric: Metric, query: Vectors, rows: Vectors) -> NDArray[np.float32]:
    """Distance of ``query`` (D,) to each of ``rows`` (N, D): (N,). Cosine takes unit rows. Of local features, whose
    metric counts "inliers", it is the squared distance of descriptors, in levels; of words it is 0 or 1.
    """
    if metric == "hamming":
        differing = np.bitwise_count(np.bitwise_xor(rows, query))
        return np.asarray(differing.sum(axis=1), np.float32)
    if metric == "inliers":
        return np.asarray(np.square(np.subtract(unpacked(rows), unpacked(query[None]))).sum(axis=1), np.float32)
    if metric == "words":
        return np.asarray((rows != query).any(axis=1), np.float32)
    wide = rows.astype(np.float64)
    if metric == "l1":
        return np.asarray(np.abs(wide - query).sum(axis=1), np.float32)
    return np.asarray(1.0 - wide @ query.astype(np.float64), np.float32)

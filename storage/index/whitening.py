"""PCA whitening of unit vectors: directions in which all pictures differ alike count less, those that tell them apart
count more.

Centred, projected onto the principal axes, each axis divided by its standard deviation, and of unit length again
(Jegou, Chum, "Negative evidences and co-occurences in image retrieval: the benefit of PCA and whitening", ECCV 2012).
The store keeps the vectors as the model gave them; whitening belongs to the index, and training it anew needs no
picture.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storage.errors import InvalidRequest
from storage.index.unit_vectors import unit_rows
from storage.index.vector_index import Allowed, Neighbors, VectorIndex
from storage.types.features import FloatVectors, Handles, Vectors

LEAST_ROWS = 32
SHRINKAGE = 3.0  # of the mean variance, added to every axis: with few pictures the last axes are noise
ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """mean: (D,). axes: (K, D), principal axes divided by the deviation along them. rows: it was trained on."""

    mean: NDArray[np.float32]
    axes: FloatVectors
    rows: int

    @property
    def checksum(self) -> int:
        """Tells one whitening from another; never 0."""
        return zlib.crc32(self.axes.tobytes(), zlib.crc32(self.mean.tobytes())) or 1

    def applied(self, rows: FloatVectors) -> FloatVectors:
        """(N, K) unit rows of (N, D) ones."""
        return unit_rows(np.asarray((rows - self.mean) @ self.axes.T, np.float32))


def train_whitening(rows: FloatVectors, components: int | None = None) -> Whitening:
    """rows: (N, D) of unit length. components: how many axes are kept, the strongest first; all unless said.

    Raises `InvalidRequest` for too few rows to learn from, or more components than there are.
    """
    count, dim = rows.shape
    if count < LEAST_ROWS:
        raise InvalidRequest(f"{count} pictures are too few to train whitening on", f"index at least {LEAST_ROWS}")
    kept = min(dim, count - 1) if components is None else components
    if not 1 <= kept <= min(dim, count - 1):
        raise InvalidRequest(
            f"{kept} components of {count} rows with {dim} numbers", f"ask for 1 to {min(dim, count - 1)}"
        )
    mean = rows.mean(axis=0, dtype=np.float64)
    centred = rows.astype(np.float64) - mean
    variances, axes = np.linalg.eigh(centred.T @ centred / count)
    variances, axes = variances[::-1][:kept], axes[:, ::-1][:, :kept]
    deviations = np.sqrt(np.maximum(variances, 0) + SHRINKAGE * max(float(variances.mean()), 1e-12))
    return Whitening(mean.astype(np.float32), np.ascontiguousarray((axes / deviations).T, np.float32), count)


class WhitenedIndex:
    """An index of whitened rows, given rows as the store keeps them."""

    def __init__(self, inner: VectorIndex, whitening: Whitening) -> None:
        """inner: of rows with as many numbers as the whitening has axes."""
        self.kind = inner.kind
        self.inner = inner
        self.whitening = whitening

    @property
    def rows_count(self) -> int:
        return self.inner.rows_count

    @property
    def memory_bytes(self) -> int:
        return self.inner.memory_bytes + self.whitening.axes.nbytes

    def search(self, queries: Vectors, k: int, allowed: Allowed | None = None) -> Neighbors:
        return self.inner.search(self.whitening.applied(np.asarray(queries, np.float32)), k, allowed)

    def with_changes(self, *, remove: Handles, add: Handles, rows: Vectors) -> WhitenedIndex:
        whitened = self._whitened(np.asarray(rows, np.float32))
        return WhitenedIndex(self.inner.with_changes(remove=remove, add=add, rows=whitened), self.whitening)

    def with_whitened_rows(self, handles: Handles, rows: Vectors) -> WhitenedIndex:
        """Takes rows that are whitened already, as a snapshot has them."""
        none = np.zeros(0, np.int64)
        return WhitenedIndex(self.inner.with_changes(remove=none, add=handles, rows=rows), self.whitening)

    def live_rows(self) -> tuple[Handles, Vectors]:
        return self.inner.live_rows()

    def live_blocks(self) -> Iterator[tuple[Handles, Vectors]]:
        return self.inner.live_blocks()

    def _whitened(self, rows: FloatVectors) -> FloatVectors:
        parts = [self.whitening.applied(rows[at : at + ROWS_AT_ONCE]) for at in range(0, len(rows), ROWS_AT_ONCE)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.whitening.axes)), np.float32)

"""The vector index contract.

A shard keeps one index a feature. An index here is a value: ``with_changes`` gives the next one and leaves the one it
came from readable, so a search keeps the view it started with while a writer goes on, and neither waits for the other.
One writer at a time may derive from the newest view; how much the two share is an implementation's own affair.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from storage.errors import InvalidRequest
from storage.types.features import FeatureKind, FeatureSpec, Handles, Vectors

VALUES_TO_A_BYTE: Mapping[FeatureKind, int] = {"binary": 8, "local": 2, "words": 1}
UNIT_TOLERANCE = 1e-3


Allowed = NDArray[np.bool_]  # by handle: the pictures that may be found; none behind its end


def are_allowed(allowed: Allowed, handles: Handles) -> NDArray[np.bool_]:
    """(N,) whether each of the handles (N,) is."""
    if not len(handles) or handles.max() < len(allowed):
        return np.asarray(allowed[handles])
    known = handles < len(allowed)
    known[known] = allowed[handles[known]]
    return known


@dataclass(frozen=True, slots=True, eq=False)
class Neighbors:
    """handles: (Q, K) int64, -1 where there are fewer. distances: (Q, K) float32, +inf there. Nearest first."""

    handles: Handles
    distances: NDArray[np.float32]


class VectorIndex(Protocol):
    """An immutable view of a feature's rows. A handle may own many rows; removing it removes all of them."""

    kind: str  # what users see: "exact", ...

    @property
    def rows_count(self) -> int: ...

    @property
    def memory_bytes(self) -> int: ...

    def search(self, queries: Vectors, k: int, allowed: Allowed | None = None) -> Neighbors:
        """The k nearest live rows of each query (Q, D) among the allowed pictures; None: among all. Ties by row order.
        Thread-safe.
        """

    def with_changes(self, *, remove: Handles, add: Handles, rows: Vectors) -> VectorIndex:
        """The index after dropping the rows of ``remove`` and appending ``rows`` (N, D) under the handles ``add``
        (N,).
        """

    def live_rows(self) -> tuple[Handles, Vectors]:
        """Every live row with its handle, in insertion order."""

    def live_blocks(self) -> Iterator[tuple[Handles, Vectors]]:
        """`live_rows` in pieces, so that what is saved and compared is never held twice in memory."""


def row_width(spec: FeatureSpec) -> int:
    """Columns of the feature's rows: bytes for a binary feature, for a local one and for words, floats otherwise."""
    return spec.dim // VALUES_TO_A_BYTE[spec.kind] if spec.kind in VALUES_TO_A_BYTE else spec.dim


def row_dtype(spec: FeatureSpec) -> np.dtype[np.uint8] | np.dtype[np.float32]:
    return np.dtype(np.uint8) if spec.kind in VALUES_TO_A_BYTE else np.dtype(np.float32)


def check_rows(where: str, rows: Vectors, spec: FeatureSpec) -> None:
    """Raises `InvalidRequest` unless the rows are (R, D) of the feature's type, finite, and unit vectors where its
    metric needs that.
    """
    width, dtype = row_width(spec), row_dtype(spec)
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != width or rows.dtype != dtype:
        found = f"{rows.shape} {rows.dtype}" if isinstance(rows, np.ndarray) else type(rows).__name__
        raise InvalidRequest(f"{where}: rows are {found}, not (R, {width}) {dtype}", "compute it with this version")
    if rows.dtype == np.uint8:
        return
    if not np.isfinite(rows).all():
        raise InvalidRequest(f"{where}: not all numbers are finite", "compute it again")
    if spec.metric == "cosine" and (np.abs(np.linalg.norm(rows, axis=1) - 1) > UNIT_TOLERANCE).any():
        raise InvalidRequest(f"{where}: rows are not of unit length", "normalise them")

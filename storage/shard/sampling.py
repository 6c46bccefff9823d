"""How far the pictures of a shard are from a query: its distances to the sample that the index keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.index.flat import FlatIndex
from storage.index.vector_index import Allowed, Neighbors, VectorIndex
from storage.index.whitening import WhitenedIndex
from storage.types.features import Handles, Vectors
from storage.types.searches import SampledDistances


@dataclass(frozen=True, slots=True, eq=False)
class RowSample:
    """handles: (S,) of rows. distances: (Q, S) of them to the rows of queries."""

    handles: Handles
    distances: NDArray[Any]

    def of_query(self, views: slice, *, pictures: int, rows: int) -> SampledDistances:
        """As hits have them: the smallest over the query's views and over a picture's rows. pictures, rows: how many
        the index has.
        """
        nearest = self.distances[views].min(axis=0).astype(np.float32)
        if pictures != rows:
            own, places = np.unique(self.handles, return_inverse=True)
            smallest = np.full(len(own), np.inf, np.float32)
            np.minimum.at(smallest, places, nearest)
            nearest = smallest
        return SampledDistances(np.sort(nearest), pictures)


def search_with_sample(
    index: VectorIndex, queries: Vectors, k: int, allowed: Allowed | None, size: int
) -> tuple[Neighbors, RowSample | None]:
    """The k nearest allowed rows, and how far about ``size`` rows of all are; None of an index that keeps no sample."""
    if isinstance(index, WhitenedIndex):
        whitened = index.whitening.applied(np.asarray(queries, np.float32))
        return search_with_sample(index.inner, whitened, k, allowed, size)
    if not isinstance(index, FlatIndex):
        return index.search(queries, k, allowed), None
    neighbors, handles, distances = index.search_with_sample(queries, k, allowed, size)
    return neighbors, RowSample(handles, distances)

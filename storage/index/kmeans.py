"""Training the index of a local feature: centroids for its inverted lists, and the rows sorted into them anew."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storage.index.descriptor_codes import unpacked
from storage.index.inverted_file import (
    ASSIGNED_AT_ONCE,
    NO_HANDLES,
    DescriptorIndex,
    empty_descriptor_index,
    faiss_with_matrix_products,
)
from storage.types.features import FloatVectors, Handles, Vectors

LISTS_TO_ROOT_OF_ROWS = 4.0  # best for four times the rows, when it is trained anew, and good for as many as there are
LISTS_RANGE = 32, 16_384
ROWS_TO_A_LIST = 40  # that centroids are trained on
ITERATIONS = 8
SEED = 1


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """What was trained. rows: how many there were then."""

    centroids: FloatVectors
    rows: int


def train_partition(index: DescriptorIndex) -> Partition:
    """Centroids for the rows that the index holds, by k-means on a sample of them."""
    faiss = faiss_with_matrix_products()
    rows = index.rows_count
    count = lists_for(rows)
    sample = _sample(index, count * ROWS_TO_A_LIST)
    kmeans = faiss.Kmeans(
        sample.shape[1], count, niter=ITERATIONS, seed=SEED, min_points_per_centroid=1,
        max_points_per_centroid=ROWS_TO_A_LIST,
    )  # fmt: skip
    kmeans.train(sample)
    return Partition(np.ascontiguousarray(kmeans.centroids, np.float32), rows)


def lists_for(rows: int) -> int:
    """How many lists balance the time to find the nearest with the time to read them."""
    least, most = LISTS_RANGE
    return min(max(least, round(LISTS_TO_ROOT_OF_ROWS * math.sqrt(rows))), most, max(1, rows))


def sorted_anew(index: DescriptorIndex, partition: Partition) -> DescriptorIndex:
    """The index's live rows in the lists of other centroids."""
    dim = partition.centroids.shape[1]
    new = empty_descriptor_index(dim, partition.centroids, index.probes)
    for handles, codes in _batches(index):
        new = new.with_changes(remove=NO_HANDLES, add=handles, rows=codes)
    return new


def _sample(index: DescriptorIndex, count: int) -> NDArray[np.float32]:
    """About ``count`` live rows, from everywhere in the index."""
    rng = np.random.default_rng(SEED)
    share = min(1.0, count / max(1, index.rows_count))
    parts = [codes[rng.random(len(codes)) < share] for _, codes in index.live_blocks()]
    return unpacked(np.asarray(np.concatenate(parts), np.uint8))


def _batches(index: DescriptorIndex) -> Iterator[tuple[Handles, Vectors]]:
    """The live rows, as many at a time as are worth a matrix product."""
    waiting: list[tuple[Handles, Vectors]] = []
    for block in index.live_blocks():
        waiting.append(block)
        if sum(len(handles) for handles, _ in waiting) >= ASSIGNED_AT_ONCE:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(blocks: list[tuple[Handles, Vectors]]) -> tuple[Handles, Vectors]:
    return np.concatenate([handles for handles, _ in blocks]), np.concatenate([codes for _, codes in blocks])

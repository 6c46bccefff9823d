"""Training the index of a local feature: centroids for its inverted lists, and the rows sorted into them anew."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storage.codec import decode_rows, encode_rows
from storage.descriptor_codes import unpacked
from storage.descriptor_index import (
    ASSIGNED_AT_ONCE,
    DEAD_FRACTION,
    NO_HANDLES,
    DescriptorIndex,
    empty_descriptor_index,
    faiss_with_matrix_products,
)
from storage.index_kinds import IndexConfig
from storage.kv import ReadTransaction, WriteTransaction
from storage.shard_tables import META
from storage.types import FeatureRows, FloatVectors, Handles, Vectors

LISTS_TO_ROOT_OF_ROWS = 4.0  # best for four times the rows, when it is trained anew, and good for as many as there are
LISTS_RANGE = 32, 16_384
ROWS_TO_A_LIST = 40  # that centroids are trained on
ITERATIONS = 8
SEED = 1
RETRAIN_GROWTH = 4  # times the rows that the centroids were trained on
_KEY = b"centroids:"


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """What was trained. rows: how many there were then."""

    centroids: FloatVectors
    rows: int


def stored_partition(transaction: ReadTransaction, feature: str) -> Partition | None:
    """None where the feature has not been trained."""
    value = transaction.get(META, _KEY + feature.encode())
    if value is None:
        return None
    kept = decode_rows(value)
    return Partition(np.asarray(kept.rows, np.float32), int(kept.extras["rows"][0]))


def put_partition(transaction: WriteTransaction, feature: str, partition: Partition | None) -> None:
    """Keeps it in the store: it is no cache, for the next opening must sort rows alike. None forgets it."""
    if partition is None:
        transaction.delete(META, _KEY + feature.encode())
        return
    kept = FeatureRows(partition.centroids, extras={"rows": np.array([partition.rows], np.int64)})
    transaction.put(META, _KEY + feature.encode(), encode_rows(kept))


def training_is_due(index: DescriptorIndex, config: IndexConfig, trained_rows: int) -> bool:
    """Whether the index has outgrown its lists, or carries too many rows of removed pictures."""
    if config.kind == "exact":
        return False
    rows = index.rows_count
    if index.kind == "inverted_file" and rows and index.dead_rows > DEAD_FRACTION * (rows + index.dead_rows):
        return True
    return rows >= config.train_after_rows and (index.kind == "exact" or rows >= RETRAIN_GROWTH * trained_rows)


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

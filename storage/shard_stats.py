"""What a shard holds, counted without reading it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from storage.generation_keeper import described
from storage.generations import Generations
from storage.kv import ReadTransaction
from storage.shard_tables import IMAGES, feature_table
from storage.types import FeatureGeneration, FeatureStats
from storage.vectors import VectorIndex
from storage.whitening import WhitenedIndex


def feature_stats(transaction: ReadTransaction, name: str, index: VectorIndex) -> FeatureStats:
    """Every image either has the feature's rows or waits for them."""
    images = transaction.count(feature_table(name))
    pending = transaction.count(IMAGES) - images
    whitened = isinstance(index, WhitenedIndex)
    return FeatureStats(images, index.rows_count, pending, index.kind, index.memory_bytes, whitened)


def generation_stats(
    transaction: ReadTransaction, generations: Generations
) -> dict[str, tuple[FeatureGeneration, ...]]:
    """What there is of every generation of each feature."""
    images = transaction.count(IMAGES)
    rows = {key: transaction.count(feature_table(key)) for key in generations.specs}
    counts = {key: (count, images - count) for key, count in rows.items()}
    return {name: described(generations, name, counts) for name in generations.in_use}


def folder_bytes(directory: Path) -> int:
    """Bytes of the files below the folder; one that vanishes meanwhile counts nothing."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(folder, name)).st_size
    return total

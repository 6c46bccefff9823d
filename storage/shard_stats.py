"""What a shard holds, counted without reading it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from storage.kv import ReadTransaction
from storage.shard_tables import IMAGES, feature_table
from storage.types import FeatureStats
from storage.vectors import VectorIndex


def feature_stats(transaction: ReadTransaction, name: str, index: VectorIndex) -> FeatureStats:
    """Every image either has the feature's rows or waits for them."""
    images = transaction.count(feature_table(name))
    pending = transaction.count(IMAGES) - images
    return FeatureStats(images, index.rows_count, pending, index.kind, index.memory_bytes)


def folder_bytes(directory: Path) -> int:
    """Bytes of the files below the folder; one that vanishes meanwhile counts nothing."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(folder, name)).st_size
    return total

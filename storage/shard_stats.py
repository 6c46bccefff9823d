"""What a shard holds, counted without reading its vectors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from storage.absent_counts import absent_count
from storage.generations import Generations
from storage.keys import number_of
from storage.kv import ReadTransaction
from storage.shard_tables import IMAGES, feature_table, record_by_handle
from storage.types import FeatureGeneration, FeatureStats
from storage.vectors import VectorIndex
from storage.whitening import WhitenedIndex


def feature_stats(transaction: ReadTransaction, name: str, index: VectorIndex) -> FeatureStats:
    """Every image either has the feature's rows, waits for them, or is not to have any."""
    images = transaction.count(feature_table(name))
    pending = transaction.count(IMAGES) - images - absent_count(transaction, name)
    whitening = index.whitening.checksum if isinstance(index, WhitenedIndex) else 0
    return FeatureStats(images, index.rows_count, pending, index.kind, index.memory_bytes, whitening)


def generation_stats(
    transaction: ReadTransaction, generations: Generations
) -> dict[str, tuple[FeatureGeneration, ...]]:
    """What there is of every generation of each feature."""
    images = transaction.count(IMAGES)
    rows = {key: transaction.count(feature_table(key)) for key in generations.specs}
    counts = {key: (count, images - count - absent_count(transaction, key)) for key, count in rows.items()}
    return {name: _described(generations, name, counts) for name in generations.in_use}


def _described(
    generations: Generations, name: str, counts: Mapping[str, tuple[int, int]]
) -> tuple[FeatureGeneration, ...]:
    """The feature's generations, the one in use first. counts: images with rows and waiting for them, by key."""
    return tuple(
        FeatureGeneration(
            replace(generations.specs[key], name=name),
            generations.role_of(name, key),
            generations.origins.get(key, {}),
            *counts[key],
        )
        for key in generations.keys_of(name)
    )


def count_left_behind(
    transaction: ReadTransaction, generations: Generations, name: str, fingerprint: str, added_before: float
) -> int:
    """Pictures that have rows in the feature's generation in use, and none in the model's. added_before: Unix seconds;
    of the younger ones nothing is said.
    """
    used, model = generations.in_use.get(name), generations.key_of(name, fingerprint)
    if used is None or used == model:
        return 0
    there = transaction.keys(feature_table(used))
    left = (at for at in there if model is None or not transaction.has(feature_table(model), at))
    records = (record_by_handle(transaction, number_of(at)) for at in left)
    return sum(record is not None and record.added_at < added_before for record in records)


def folder_bytes(directory: Path) -> int:
    """Bytes of the files below the folder; one that vanishes meanwhile counts nothing."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(folder, name)).st_size
    return total

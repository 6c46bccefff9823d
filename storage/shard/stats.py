"""What a shard holds, counted without reading its vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from storage.index.vector_index import VectorIndex
from storage.index.whitening import WhitenedIndex
from storage.kv.store import ReadTransaction
from storage.tables.absent_counts import absent_count
from storage.tables.model_versions import Generations
from storage.tables.schema import IMAGES, feature_table
from storage.types.reports import FeatureGeneration, FeatureStats


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

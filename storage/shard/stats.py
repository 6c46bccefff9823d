"""What a shard holds, counted without reading its vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from storage.index.vector_index import VectorIndex
from storage.index.whitening import WhitenedIndex
from storage.kv.store import ReadTransaction
from storage.tables.absent_counts import absent_count
from storage.tables.model_versions import ModelVersions
from storage.tables.schema import IMAGES, feature_table
from storage.types.reports import FeatureStats, ModelVersion


def feature_stats(transaction: ReadTransaction, name: str, index: VectorIndex) -> FeatureStats:
    """Every image either has the feature's rows, waits for them, or is not to have any."""
    images = transaction.count(feature_table(name))
    pending = transaction.count(IMAGES) - images - absent_count(transaction, name)
    whitening = index.whitening.checksum if isinstance(index, WhitenedIndex) else 0
    return FeatureStats(images, index.rows_count, pending, index.kind, index.memory_bytes, whitening)


def version_stats(transaction: ReadTransaction, versions: ModelVersions) -> dict[str, tuple[ModelVersion, ...]]:
    """What there is of every version of each feature."""
    images = transaction.count(IMAGES)
    rows = {key: transaction.count(feature_table(key)) for key in versions.specs}
    counts = {key: (count, images - count - absent_count(transaction, key)) for key, count in rows.items()}
    return {name: _described(versions, name, counts) for name in versions.in_use}


def _described(versions: ModelVersions, name: str, counts: Mapping[str, tuple[int, int]]) -> tuple[ModelVersion, ...]:
    """The feature's versions, the one in use first. counts: images with rows and waiting for them, by key."""
    return tuple(
        ModelVersion(
            replace(versions.specs[key], name=name),
            versions.role_of(name, key),
            versions.origins.get(key, {}),
            *counts[key],
        )
        for key in versions.keys_of(name)
    )

"""Which indexes of a shard can be trained, and which ask for it."""

from __future__ import annotations

from collections.abc import Mapping

from storage.errors import InvalidRequest
from storage.index.inverted_file import DEAD_FRACTION, DescriptorIndex
from storage.index.whitening import Whitening
from storage.kv.store import ReadTransaction
from storage.tables.model_versions import ModelVersions, known_key, spec_of_model
from storage.tables.trained import stored_partition
from storage.upkeep.factory import IndexConfig
from storage.upkeep.moments import Moment

Configs = Mapping[str, IndexConfig]

RETRAIN_GROWTH = 4  # times the rows that the centroids were trained on


def features_to_train(transaction: ReadTransaction, moment: Moment, configs: Configs) -> list[str]:
    """Features whose index in use has outgrown what it was trained for, if ever it was."""
    due = []
    for name, key in moment.versions.in_use.items():
        index = moment.indexes[key]
        if isinstance(index, DescriptorIndex):
            partition = stored_partition(transaction, key)
            trained_rows = 0 if partition is None else partition.rows
            if training_is_due(index, configs.get(name, IndexConfig()), trained_rows):
                due.append(name)
    return due


def trainable_index(feature: str, moment: Moment, configs: Configs) -> DescriptorIndex:
    """The feature's index. Raises `InvalidRequest` where there is nothing to train, `UnknownFeature`."""
    index = moment.indexes[known_key(moment.versions, feature)]
    if not isinstance(index, DescriptorIndex):
        raise InvalidRequest(f"the index of {feature!r} compares every row: there is nothing to train", "leave it")
    if configs.get(feature, IndexConfig()).kind == "exact":
        raise InvalidRequest(f"the index of {feature!r} is configured to be exact", f"set indexes.{feature}.kind: auto")
    if not index.rows_count:
        raise InvalidRequest(f"{feature!r} has no rows to train on", "index pictures first")
    return index


def whitenable_key(versions: ModelVersions, feature: str, fingerprint: str, whitening: Whitening | None) -> str:
    """The key of the version that the whitening was trained on. Raises `InvalidRequest` where it does not fit."""
    spec = spec_of_model(versions, feature, fingerprint)
    if spec.metric != "cosine" or (whitening is not None and whitening.axes.shape[1] != spec.dim):
        raise InvalidRequest(f"{feature!r} cannot be whitened so", "train it again")
    return spec.name


def training_is_due(index: DescriptorIndex, config: IndexConfig, trained_rows: int) -> bool:
    """Whether the index has outgrown its lists, or carries too many rows of removed pictures."""
    if config.kind == "exact":
        return False
    rows = index.rows_count
    if index.kind == "inverted_file" and rows and index.dead_rows > DEAD_FRACTION * (rows + index.dead_rows):
        return True
    return rows >= config.train_after_rows and (index.kind == "exact" or rows >= RETRAIN_GROWTH * trained_rows)

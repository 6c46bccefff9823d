"""Which indexes of a shard can be trained, and which ask for it."""

from __future__ import annotations

from collections.abc import Mapping

from storage.descriptor_index import DescriptorIndex
from storage.errors import InvalidRequest, UnknownFeature
from storage.index_kinds import IndexConfig
from storage.index_training import stored_partition, training_is_due
from storage.index_views import IndexView
from storage.kv import ReadTransaction

Configs = Mapping[str, IndexConfig]


def features_to_train(transaction: ReadTransaction, view: IndexView, configs: Configs) -> list[str]:
    """Features whose index has outgrown what it was trained for, if ever it was."""
    due = []
    for name, index in view.indexes.items():
        if isinstance(index, DescriptorIndex):
            partition = stored_partition(transaction, name)
            trained_rows = 0 if partition is None else partition.rows
            if training_is_due(index, configs.get(name, IndexConfig()), trained_rows):
                due.append(name)
    return due


def trainable_index(feature: str, view: IndexView, configs: Configs) -> DescriptorIndex:
    """The feature's index. Raises `InvalidRequest` where there is nothing to train, `UnknownFeature`."""
    index = view.indexes.get(feature)
    if index is None:
        raise UnknownFeature(f"no feature is called {feature!r}", f"the features here are {', '.join(view.indexes)}")
    if not isinstance(index, DescriptorIndex):
        raise InvalidRequest(f"the index of {feature!r} compares every row: there is nothing to train", "leave it")
    if configs.get(feature, IndexConfig()).kind == "exact":
        raise InvalidRequest(f"the index of {feature!r} is configured to be exact", f"set indexes.{feature}.kind: auto")
    if not index.rows_count:
        raise InvalidRequest(f"{feature!r} has no rows to train on", "index pictures first")
    return index

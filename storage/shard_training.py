"""Which indexes of a shard can be trained, and which ask for it."""

from __future__ import annotations

from collections.abc import Mapping

from storage.descriptor_index import DescriptorIndex
from storage.errors import InvalidRequest, UnknownFeature
from storage.generations import Generations
from storage.index_kinds import IndexConfig
from storage.index_training import stored_partition, training_is_due
from storage.index_views import IndexView
from storage.kv import ReadTransaction
from storage.types import FeatureSpec
from storage.whitening import Whitening

Configs = Mapping[str, IndexConfig]


def features_to_train(transaction: ReadTransaction, view: IndexView, configs: Configs) -> list[str]:
    """Features whose index in use has outgrown what it was trained for, if ever it was."""
    due = []
    for name, key in view.generations.in_use.items():
        index = view.indexes[key]
        if isinstance(index, DescriptorIndex):
            partition = stored_partition(transaction, key)
            trained_rows = 0 if partition is None else partition.rows
            if training_is_due(index, configs.get(name, IndexConfig()), trained_rows):
                due.append(name)
    return due


def trainable_index(feature: str, view: IndexView, configs: Configs) -> DescriptorIndex:
    """The feature's index. Raises `InvalidRequest` where there is nothing to train, `UnknownFeature`."""
    index = view.indexes[known_key(view.generations, feature)]
    if not isinstance(index, DescriptorIndex):
        raise InvalidRequest(f"the index of {feature!r} compares every row: there is nothing to train", "leave it")
    if configs.get(feature, IndexConfig()).kind == "exact":
        raise InvalidRequest(f"the index of {feature!r} is configured to be exact", f"set indexes.{feature}.kind: auto")
    if not index.rows_count:
        raise InvalidRequest(f"{feature!r} has no rows to train on", "index pictures first")
    return index


def known_key(generations: Generations, feature: str) -> str:
    """The key of the generation in use. Raises `UnknownFeature` where there is none."""
    key = generations.key_of(feature)
    if key is None:
        known = ", ".join(sorted(generations.in_use)) or "none"
        raise UnknownFeature(f"no feature is called {feature!r}", f"the features here are {known}")
    return key


def spec_of_model(generations: Generations, feature: str, fingerprint: str = "") -> FeatureSpec:
    """Of the generation that the model's rows belong to, under its key; of the one in use without a fingerprint. Raises
    `UnknownFeature`, `InvalidRequest` where the model has none.
    """
    known_key(generations, feature)
    key = generations.key_of(feature, fingerprint)
    if key is None:
        raise InvalidRequest(f"{feature!r} has no index for {fingerprint!r} here", "train it again")
    return generations.specs[key]


def whitenable_key(generations: Generations, feature: str, fingerprint: str, whitening: Whitening | None) -> str:
    """The key of the generation that the whitening was trained on. Raises `InvalidRequest` where it does not fit."""
    spec = spec_of_model(generations, feature, fingerprint)
    if spec.metric != "cosine" or (whitening is not None and whitening.axes.shape[1] != spec.dim):
        raise InvalidRequest(f"{feature!r} cannot be whitened so", "train it again")
    return spec.name

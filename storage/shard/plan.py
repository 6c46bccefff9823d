"""What a process that opens a shard is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from storage.types.features import FeatureSpec
from storage.upkeep.factory import IndexConfig


@dataclass(frozen=True, slots=True)
class ShardSettings:
    """What all shards of a collection have in common.

    late: features that a model decides, which says so when it is loaded. annotations: of annotators whose words are
    kept with the pictures. keeps_originals: of uploads, for models that come later.
    """

    features: tuple[FeatureSpec, ...]
    late: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    keeps_originals: bool = False
    index_configs: Mapping[str, IndexConfig] = field(default_factory=dict)
    snapshot_interval_s: float = 300.0
    snapshot_min_changes: int = 1000


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """One shard of ``shard_count``, and its folder."""

    directory: str
    index: int
    shard_count: int
    settings: ShardSettings

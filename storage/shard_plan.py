"""What the processes that open shards are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from storage.index_kinds import IndexConfig
from storage.types import FeatureSpec


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """Everything an actor needs to open its shard."""

    directory: str
    index: int
    shard_count: int
    features: tuple[FeatureSpec, ...]
    snapshot_interval_s: float = 300.0
    snapshot_min_changes: int = 1000
    index_configs: Mapping[str, IndexConfig] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """label_selectors: one a shard, or empty: the node label that pins each shard to the node with its folder."""

    data_dir: str
    shard_count: int
    features: tuple[FeatureSpec, ...]
    label_selectors: tuple[Mapping[str, str], ...] = ()
    num_cpus: float = 0.0
    read_threads: int = 4
    snapshot_interval_s: float = 300.0
    snapshot_min_changes: int = 1000
    index_configs: Mapping[str, IndexConfig] = field(default_factory=dict)

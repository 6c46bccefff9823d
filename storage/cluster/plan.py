"""What the processes that open shards are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from storage.types.features import FeatureSpec
from storage.upkeep.factory import IndexConfig


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """Everything an actor needs to open its shard.

    late: features that a model decides, which says so when it is loaded. annotations: of annotators whose words are
    kept. keeps_originals: of uploads, for models that come later.
    """

    directory: str
    index: int
    shard_count: int
    features: tuple[FeatureSpec, ...]
    snapshot_interval_s: float = 300.0
    snapshot_min_changes: int = 1000
    index_configs: Mapping[str, IndexConfig] = field(default_factory=dict)
    late: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    keeps_originals: bool = False


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """As `ShardPlan`. label_selectors: one a shard, or empty: the node label that pins each shard to the node with its
    folder.
    """

    data_dir: str
    shard_count: int
    features: tuple[FeatureSpec, ...]
    label_selectors: tuple[Mapping[str, str], ...] = ()
    num_cpus: float = 0.0
    read_threads: int = 4
    snapshot_interval_s: float = 300.0
    snapshot_min_changes: int = 1000
    index_configs: Mapping[str, IndexConfig] = field(default_factory=dict)
    late: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    keeps_originals: bool = False

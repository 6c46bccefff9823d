"""What a fleet of shards is to be, and where its shards run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from storage.shard.data_folder import shard_directory
from storage.shard.plan import ShardPlan, ShardSettings


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """All shards of a data folder. label_selectors: one a shard, or empty: the node label that pins each shard to the
    node with its folder.
    """

    data_dir: str
    shard_count: int
    settings: ShardSettings
    label_selectors: tuple[Mapping[str, str], ...] = ()

    def shard(self, index: int) -> ShardPlan:
        return ShardPlan(str(shard_directory(Path(self.data_dir), index)), index, self.shard_count, self.settings)

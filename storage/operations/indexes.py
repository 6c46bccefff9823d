"""Questions that save or rebuild a shard's indexes. Searches and writes go on meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from storage.index.whitening import Whitening
from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation
from storage.types.reports import TrainingReport


@dataclass(frozen=True, slots=True)
class Train(Operation[TrainingReport], group="upkeep"):
    """See `IndexUpkeep.train`."""

    feature: str

    def run(self, shard: OpenShard) -> TrainingReport:
        return shard.upkeep.train(self.feature)


@dataclass(frozen=True, slots=True)
class TrainWhatIsDue(Operation[list[TrainingReport]], group="upkeep"):
    """Trains every index in use that has outgrown what it was trained for, if ever it was."""

    def run(self, shard: OpenShard) -> list[TrainingReport]:
        return [shard.upkeep.train(feature) for feature in shard.upkeep.training_due()]


@dataclass(frozen=True, slots=True)
class Whiten(Operation[TrainingReport], group="upkeep"):
    """See `IndexUpkeep.whiten`."""

    feature: str
    fingerprint: str
    whitening: Whitening | None

    def run(self, shard: OpenShard) -> TrainingReport:
        return shard.upkeep.whiten(self.feature, self.fingerprint, self.whitening)


@dataclass(frozen=True, slots=True)
class SaveIndexes(Operation[None], group="upkeep"):
    """Saves every index, so that the next opening is quick; not before there were so many changes since the last
    time.
    """

    min_changes: int = 0

    def run(self, shard: OpenShard) -> None:
        shard.upkeep.snapshot(self.min_changes)

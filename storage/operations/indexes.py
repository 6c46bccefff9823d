"""Questions that save or rebuild a shard's indexes. Searches and writes go on meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from storage.index.whitening import Whitening
from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation, ThreadGroup
from storage.types.reports import TrainingReport


@dataclass(frozen=True, slots=True)
class Train(Operation[TrainingReport]):
    """See `IndexUpkeep.train`."""

    group: ClassVar[ThreadGroup] = "upkeep"

    feature: str

    def run(self, shard: OpenShard) -> TrainingReport:
        return shard.upkeep.train(self.feature)


@dataclass(frozen=True, slots=True)
class TrainWhatIsDue(Operation[list[TrainingReport]]):
    """Trains every index in use that has outgrown what it was trained for, if ever it was."""

    group: ClassVar[ThreadGroup] = "upkeep"

    def run(self, shard: OpenShard) -> list[TrainingReport]:
        return [shard.upkeep.train(feature) for feature in shard.upkeep.training_due()]


@dataclass(frozen=True, slots=True)
class Whiten(Operation[TrainingReport]):
    """See `IndexUpkeep.whiten`."""

    group: ClassVar[ThreadGroup] = "upkeep"

    feature: str
    fingerprint: str
    whitening: Whitening | None

    def run(self, shard: OpenShard) -> TrainingReport:
        return shard.upkeep.whiten(self.feature, self.fingerprint, self.whitening)


@dataclass(frozen=True, slots=True)
class SaveIndexes(Operation[None]):
    """Saves every index, so that the next opening is quick; not before there were so many changes since the last
    time.
    """

    group: ClassVar[ThreadGroup] = "upkeep"

    min_changes: int = 0

    def run(self, shard: OpenShard) -> None:
        shard.upkeep.snapshot(self.min_changes)

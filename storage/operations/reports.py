"""Questions for what a shard holds, and whether it is sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from storage.errors import StorageFailure
from storage.shard.open_shard import STORE_FOLDER, OpenShard
from storage.shard.operation import Operation, ThreadGroup
from storage.shard.stats import feature_stats, version_stats
from storage.shard.verify import verify_tables
from storage.tables.absent_counts import absent_count
from storage.tables.schema import IMAGES
from storage.types.reports import FeatureStats, ShardStats, VerifyReport


@dataclass(frozen=True, slots=True)
class Stats(Operation[ShardStats]):
    """Counts and sizes."""

    group: ClassVar[ThreadGroup] = "control"

    def run(self, shard: OpenShard) -> ShardStats:
        with shard.read() as (transaction, moment):
            in_use = moment.versions.in_use
            features = {name: feature_stats(transaction, key, moment.indexes[key]) for name, key in in_use.items()}
            versions = version_stats(transaction, moment.versions)
            images = transaction.count(IMAGES)
            for name in moment.versions.awaited:
                features[name] = FeatureStats(0, 0, images - absent_count(transaction, name), "", 0)
        return ShardStats(shard.plan.index, images, moment.sequence, shard.disk_bytes(), features, versions)


@dataclass(frozen=True, slots=True)
class Verify(Operation[VerifyReport]):
    """Compares everything with everything, at one moment, while reads and writes go on."""

    group: ClassVar[ThreadGroup] = "upkeep"

    def run(self, shard: OpenShard) -> VerifyReport:
        with shard.read() as (transaction, moment):
            rows, problems = verify_tables(transaction, moment.indexes, keeps_originals=shard.originals_may_stay)
            return VerifyReport(shard.plan.index, transaction.count(IMAGES), rows, problems)


@dataclass(frozen=True, slots=True)
class Backup(Operation[None]):
    """Writes a consistent, checked copy into a folder that must not exist; `Shard.open` opens it. Reads and writes go
    on.
    """

    group: ClassVar[ThreadGroup] = "upkeep"

    directory: str

    def run(self, shard: OpenShard) -> None:
        directory = Path(self.directory)
        if directory.exists():
            raise StorageFailure(f"{directory} exists", "name a folder that does not exist yet")
        shard.store.backup(directory / STORE_FOLDER)

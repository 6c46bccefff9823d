"""Questions for what a shard holds, whether it is sound, and where it can be searched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from storage.errors import StorageFailure
from storage.shard.open_shard import STORE_FOLDER, OpenShard, folder_bytes
from storage.shard.operation import Operation
from storage.shard.verify import verify_tables
from storage.tables.reads import feature_stats, version_stats
from storage.tables.schema import IMAGES, absent_count
from storage.types.reports import FeatureStats, ShardStats, VerifyReport


@dataclass(frozen=True, slots=True)
class Stats(Operation[ShardStats], group="control"):
    """Counts and sizes."""

    def run(self, shard: OpenShard) -> ShardStats:
        with shard.read() as (transaction, moment):
            in_use = moment.versions.in_use
            features = {name: feature_stats(transaction, key, moment.indexes[key]) for name, key in in_use.items()}
            versions = version_stats(transaction, moment.versions)
            images = transaction.count(IMAGES)
            for name in moment.versions.awaited:
                features[name] = FeatureStats(0, 0, images - absent_count(transaction, name), "", 0)
        disk_bytes = shard.store.disk_bytes() + folder_bytes(shard.live.snapshots)
        return ShardStats(shard.plan.index, images, moment.sequence, disk_bytes, features, versions)


@dataclass(frozen=True, slots=True)
class Verify(Operation[VerifyReport], group="upkeep"):
    """Compares everything with everything, at one moment, while reads and writes go on."""

    def run(self, shard: OpenShard) -> VerifyReport:
        with shard.read() as (transaction, moment):
            rows, problems = verify_tables(transaction, moment.indexes, keeps_originals=shard.originals_may_stay)
            return VerifyReport(shard.plan.index, transaction.count(IMAGES), rows, problems)


@dataclass(frozen=True, slots=True)
class Backup(Operation[None], group="upkeep"):
    """Writes a consistent, checked copy into a folder that must not exist; `Shard.open` opens it. Reads and writes go
    on.
    """

    directory: str

    def run(self, shard: OpenShard) -> None:
        directory = Path(self.directory)
        if directory.exists():
            raise StorageFailure(f"{directory} exists", "name a folder that does not exist yet")
        shard.store.backup(directory / STORE_FOLDER)


@dataclass(frozen=True, slots=True)
class SearchAddress(Operation[str], group="control"):
    """Where processes of this machine may search the shard past its actor; empty where they cannot."""

    def run(self, shard: OpenShard) -> str:
        return shard.search_address

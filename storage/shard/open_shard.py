"""An open shard from inside: what changes, searches and operations work on."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from storage.columns.live import LiveColumns
from storage.columns.texts import Mask
from storage.duplicates.picture_facts import NearMemory
from storage.kv.folder_lock import FolderLock
from storage.kv.store import LmdbStore, ReadTransaction
from storage.shard.plan import ShardPlan
from storage.tables.model_version_records import stored_fingerprints
from storage.tables.model_versions import feature_of_key
from storage.tables.registration import note_originals, register_features, take_ownership
from storage.tables.schema import IMAGES, SEQUENCE, TABLES, meta_number, missing_count
from storage.tables.sources import keep_sources_current
from storage.types.filters import Filter
from storage.upkeep.loading import load_index
from storage.upkeep.model_removal import finish_removals
from storage.upkeep.model_switch import ModelSwitch
from storage.upkeep.moments import LiveIndexes, Moment, Moments
from storage.upkeep.rebuilding import IndexUpkeep
from storage.words.word_index import WordIndex

STORE_FOLDER = "store"
SNAPSHOTS_FOLDER = "snapshots"
ATTEMPTS = 8  # to have masks and a transaction of the same moment


@dataclass(frozen=True, slots=True, eq=False)
class OpenShard:
    """other_features: that have a table but are not configured. originals_may_stay: see `note_originals`.
    search_address: where processes of this machine may search it; empty where they cannot.
    """

    plan: ShardPlan
    live: LiveIndexes
    models: ModelSwitch
    upkeep: IndexUpkeep
    other_features: frozenset[str]
    originals_may_stay: bool
    search_address: str
    resources: ExitStack
    columns: LiveColumns
    near_memory: NearMemory = field(default_factory=NearMemory)

    @property
    def store(self) -> LmdbStore:
        return self.live.store

    @property
    def moment(self) -> Moment:
        """The indexes as they are now."""
        return self.live.moments.current

    def read(self) -> AbstractContextManager[tuple[ReadTransaction, Moment]]:
        """A transaction and the indexes of its very moment. Raises `LostOwnership`."""
        return self.live.moments.read(self.live.store)

    @contextmanager
    def read_with_masks(
        self, filters: Collection[Filter | None]
    ) -> Iterator[tuple[ReadTransaction, Moment, Mapping[Filter | None, Mask | None]]]:
        """As `read`, and which pictures each filter means; None: all of them. Raises `LostOwnership`."""
        at_least = 0
        for attempt in range(ATTEMPTS):
            masks, sequence = self.columns.masks(filters, self.words, at_least)
            with self.read() as (transaction, moment):
                if sequence in (None, moment.sequence) or attempt == ATTEMPTS - 1:
                    yield transaction, moment, masks
                    return
                at_least = moment.sequence  # a write came between

    @property
    def words(self) -> WordIndex | None:
        """The index of words read in pictures, where they are read."""
        moment = self.moment
        indexes = (moment.indexes.get(key) for key in moment.versions.in_use.values())
        return next((index for index in indexes if isinstance(index, WordIndex)), None)

    def close(self) -> None:
        """Saves the indexes, waits for reads to end, frees the folder. A second call does nothing."""
        self.upkeep.snapshot_at_closing()
        with self.live.write_lock:
            self.resources.close()


def open_shard(plan: ShardPlan, *, lock_timeout_s: float, search_address: str) -> OpenShard:
    """Opens or creates the shard, bringing its indexes up to date before it returns. Raises as `Shard.open`."""
    directory, settings = Path(plan.directory), plan.settings
    snapshots = directory / SNAPSHOTS_FOLDER
    with ExitStack() as resources:
        resources.callback(FolderLock(directory, timeout_s=lock_timeout_s).release)
        store = LmdbStore(directory / STORE_FOLDER, TABLES)
        resources.callback(store.close)
        ownership = take_ownership(store, plan.index, plan.shard_count)
        originals_may_stay = note_originals(store, ownership, keeps_originals=settings.keeps_originals)
        versions = register_features(
            store, settings.features, ownership, late=settings.late, annotations=settings.annotations
        )
        keep_sources_current(store, ownership)
        finish_removals(store, snapshots, ownership, settings.late, versions, keeps_originals=settings.keeps_originals)
        with store.read() as transaction:
            stored = stored_fingerprints(transaction)
            indexes = {
                key: load_index(transaction, snapshots, spec, settings.index_configs.get(feature_of_key(key)))
                for key, spec in versions.specs.items()
            }
            moment = Moment(meta_number(transaction, SEQUENCE), indexes, versions)
            missing = missing_count(transaction)
            pictures = transaction.count(IMAGES)
        columns = LiveColumns(store, missing)
        resources.callback(columns.close)
        columns.build_ahead(pictures)
        live = LiveIndexes(store, Moments(moment), snapshots, ownership, settings.index_configs)
        return OpenShard(
            plan=plan,
            live=live,
            models=ModelSwitch(live, keeps_originals=settings.keeps_originals),
            upkeep=IndexUpkeep(plan.index, live),
            other_features=frozenset(stored) - versions.specs.keys(),
            originals_may_stay=originals_may_stay,
            search_address=search_address,
            resources=resources.pop_all(),
            columns=columns,
        )


def folder_bytes(directory: Path) -> int:
    """Bytes of the files below the folder; one that vanishes meanwhile counts nothing."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(folder, name)).st_size
    return total

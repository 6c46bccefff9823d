"""What everything that changes a shard's indexes works on."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from storage.kv.store import KeyValueStore, ReadTransaction
from storage.tables.schema import Ownership
from storage.upkeep.factory import IndexConfig
from storage.upkeep.moments import Moment, Moments


@dataclass(frozen=True, slots=True, eq=False)
class LiveIndexes:
    """The indexes of an open shard, its store, and the locks between those that change them.

    write_lock: held by whoever changes the moments. snapshot_lock: held while an index is saved or built anew, which
    needs the log kept; and while one is dropped.
    """

    store: KeyValueStore
    moments: Moments
    snapshots: Path
    ownership: Ownership
    index_configs: Mapping[str, IndexConfig]
    write_lock: threading.Lock = field(default_factory=threading.Lock)
    snapshot_lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> AbstractContextManager[tuple[ReadTransaction, Moment]]:
        """A transaction and the indexes of its very moment."""
        return self.moments.read(self.store)

"""Moments of a shard: its indexes, with the sequence of the store that they mirror. And what everything that changes
them works on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from storage.errors import LostOwnership
from storage.index.vector_index import VectorIndex
from storage.kv.store import LmdbStore, ReadTransaction, WriteTransaction
from storage.tables.model_versions import ModelVersions
from storage.tables.schema import SEQUENCE, Ownership, check_owner, meta_number
from storage.upkeep.factory import IndexConfig
from storage.upkeep.summary_cache import SummaryCache

T = TypeVar("T")

ATTEMPTS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """indexes: by the key of a version, as they are after the change ``sequence``. summaries: of its pictures."""

    sequence: int
    indexes: Mapping[str, VectorIndex]
    versions: ModelVersions = field(default_factory=ModelVersions)
    summaries: SummaryCache = field(default_factory=SummaryCache)


class Moments:
    """The current moment and, while a write commits, the next one: a reader's transaction is at one of them.

    One writer; any number of readers, which never wait.
    """

    def __init__(self, current: Moment) -> None:
        self._moments: tuple[Moment, ...] = (current,)

    @property
    def current(self) -> Moment:
        return self._moments[0]

    def stage(self, following: Moment) -> None:
        """To be called inside the write transaction that makes it true."""
        self._moments = (self._moments[0], following)

    def settle(self, committed: Callable[[], int]) -> None:
        """Keeps the moment that the store is at, after a commit or a failure; ``committed`` tells its sequence."""
        if len(self._moments) > 1:
            sequence = committed()
            self._moments = (
                tuple(moment for moment in self._moments if moment.sequence == sequence) or self._moments[:1]
            )

    def replace(self, rebuilt: Moment) -> None:
        """Another form of the current moment, while no write is under way."""
        self._moments = (rebuilt,)

    @contextmanager
    def read(self, store: LmdbStore) -> Iterator[tuple[ReadTransaction, Moment]]:
        """A transaction and its very moment. Raises `LostOwnership` where another process has written."""
        for _ in range(ATTEMPTS):
            with store.read() as transaction:
                sequence = meta_number(transaction, SEQUENCE)
                moment = next((moment for moment in self._moments if moment.sequence == sequence), None)
                if moment is not None:  # else writers have passed the transaction by: it is opened again
                    yield transaction, moment
                    return
        raise LostOwnership("the store has changes that this process did not make", "open the shard again")


@dataclass(frozen=True, slots=True, eq=False)
class LiveIndexes:
    """The indexes of an open shard, its store, and the locks between those that change them.

    write_lock: held by whoever changes the moments. snapshot_lock: held while an index is saved or built anew, which
    needs the log kept; and while one is dropped.
    """

    store: LmdbStore
    moments: Moments
    snapshots: Path
    ownership: Ownership
    index_configs: Mapping[str, IndexConfig]
    write_lock: threading.Lock = field(default_factory=threading.Lock)
    snapshot_lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, change: Callable[[WriteTransaction], T]) -> T:
        """A change of the tables. Raises `LostOwnership` once another process has opened the shard."""

        def checked(transaction: WriteTransaction) -> T:
            check_owner(transaction, self.ownership)
            return change(transaction)

        return self.store.write(checked)

"""Moments of a shard: its indexes, with the sequence of the store that they mirror."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from storage.errors import LostOwnership
from storage.index.vector_index import VectorIndex
from storage.kv.store import KeyValueStore, ReadTransaction
from storage.tables.model_versions import NO_VERSIONS, ModelVersions
from storage.tables.schema import SEQUENCE, meta_number

ATTEMPTS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """indexes: by the key of a version, as they are after the change ``sequence``."""

    sequence: int
    indexes: Mapping[str, VectorIndex]
    versions: ModelVersions = NO_VERSIONS


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
    def read(self, store: KeyValueStore) -> Iterator[tuple[ReadTransaction, Moment]]:
        """A transaction and its very moment. Raises `LostOwnership` where another process has written."""
        for _ in range(ATTEMPTS):
            with store.read() as transaction:
                moment = self._at(meta_number(transaction, SEQUENCE))
                if moment is not None:
                    yield transaction, moment
                    return
        raise LostOwnership("the store has changes that this process did not make", "open the shard again")

    def _at(self, sequence: int) -> Moment | None:
        """None where writers have passed the transaction by: it is to be opened again."""
        return next((moment for moment in self._moments if moment.sequence == sequence), None)

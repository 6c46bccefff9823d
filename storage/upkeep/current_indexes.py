"""The indexes that readers use, each set with the sequence of the store it mirrors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from storage.errors import LostOwnership
from storage.index.vector_index import VectorIndex
from storage.kv.store import KeyValueStore, ReadTransaction
from storage.tables.model_versions import NO_GENERATIONS, Generations
from storage.tables.schema import SEQUENCE, meta_number

ATTEMPTS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class IndexView:
    """indexes: by the key of a generation, as they are after the change ``sequence``."""

    sequence: int
    indexes: Mapping[str, VectorIndex]
    generations: Generations = NO_GENERATIONS


class IndexViews:
    """The current view and, while a write commits, the next one: whichever a reader's transaction is at, its view is
    here.

    One writer; any number of readers, which never wait.
    """

    def __init__(self, current: IndexView) -> None:
        self._views: tuple[IndexView, ...] = (current,)

    @property
    def current(self) -> IndexView:
        return self._views[0]

    def stage(self, following: IndexView) -> None:
        """To be called inside the write transaction that makes it true."""
        self._views = (self._views[0], following)

    def settle(self, committed: Callable[[], int]) -> None:
        """Keeps the view of the sequence that the store is at, after a commit or a failure; ``committed`` tells it."""
        if len(self._views) > 1:
            sequence = committed()
            self._views = tuple(view for view in self._views if view.sequence == sequence) or self._views[:1]

    def replace(self, rebuilt: IndexView) -> None:
        """Another form of the current view, while no write is under way."""
        self._views = (rebuilt,)

    @contextmanager
    def read(self, store: KeyValueStore) -> Iterator[tuple[ReadTransaction, IndexView]]:
        """A transaction and the view of its very sequence. Raises `LostOwnership` where another process has written."""
        for _ in range(ATTEMPTS):
            with store.read() as transaction:
                view = self._at(meta_number(transaction, SEQUENCE))
                if view is not None:
                    yield transaction, view
                    return
        raise LostOwnership("the store has changes that this process did not make", "open the shard again")

    def _at(self, sequence: int) -> IndexView | None:
        """None where writers have passed the transaction by: it is to be opened again."""
        return next((view for view in self._views if view.sequence == sequence), None)

"""Facts about pictures by handle, remembered for a while: so that asking about a crowd of pictures again and again does
not read them all from the store each time.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.types.features import Handles

Facts = NDArray[Any]  # (N, ...)
Read = Callable[[Handles], Facts]

FEW = 256  # facts that are read each time
MOST_BYTES = 64 << 20  # that are remembered: 400,000 pictures' hashes with their mirrored ones
REMEMBERED_S = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """handles: (N,) in order. rows: (N,) where the facts of each are in ``facts``, which may have room for more.
    byte_size: of what is remembered, without the room.
    """

    handles: Handles
    rows: NDArray[np.intp]
    facts: Facts
    byte_size: int

    @classmethod
    def of(cls, handles: Handles, facts: Facts) -> _Table:
        rows = np.arange(len(handles))
        objects = sum(map(sys.getsizeof, facts.tolist())) if facts.dtype == object else 0
        return cls(handles, rows, facts, handles.nbytes + rows.nbytes + facts.nbytes + objects)

    def has(self, handles: Handles) -> NDArray[np.bool_]:
        places = np.minimum(np.searchsorted(self.handles, handles), len(self.handles) - 1)
        there: NDArray[np.bool_] = self.handles[places] == handles
        return there

    def facts_of(self, handles: Handles) -> Facts:
        """Of handles that it has."""
        return self.facts[self.rows[np.searchsorted(self.handles, handles)]]

    def part(self, chosen: NDArray[np.bool_]) -> _Table:
        """A copy, so that the rest can be let go."""
        return self if chosen.all() else _Table.of(self.handles[chosen], self.facts_of(self.handles[chosen]))

    def with_more(self, more: _Table) -> _Table:
        """Facts are written behind those there are; it is not to be added to a second time."""
        old, count = len(self.handles), len(self.handles) + len(more.handles)
        facts = self.facts
        if count > len(facts):
            most = MOST_BYTES * old // self.byte_size
            facts = np.empty((max(count, min(2 * old, most)), *facts.shape[1:]), facts.dtype)
            facts[:old] = self.facts[:old]
        facts[old:count] = more.facts_of(more.handles)
        places = np.searchsorted(self.handles, more.handles)
        handles = np.insert(self.handles, places, more.handles)
        return _Table(
            handles, np.insert(self.rows, places, np.arange(old, count)), facts, self.byte_size + more.byte_size
        )


class Remembered:
    """A table from handles to facts; for any number of threads.

    A picture's facts may change, rarely, under the same handle, so all are forgotten five minutes after the first ones
    were read: by whoever asks then, or by `forget_expired`. They are also forgotten for others that would not fit into
    `MOST_BYTES` beside them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until = 0.0
        self._table: _Table | None = None

    def of(self, handles: Handles, read: Read) -> Facts:
        """The facts of these pictures, in their order; ``read`` gives those of some."""
        if len(handles) <= FEW:
            return read(handles)
        self.forget_expired()
        table = self._table
        known = np.zeros(len(handles), bool) if table is None else table.has(handles)
        if table is not None and known.all():
            return table.facts_of(handles)
        missing = np.unique(handles[~known])
        fresh = _Table.of(missing, read(missing))
        facts = np.empty((len(handles), *fresh.facts.shape[1:]), fresh.facts.dtype)
        facts[~known] = fresh.facts_of(handles[~known])
        if table is not None:
            facts[known] = table.facts_of(handles[known])
        self._remember(fresh)
        return facts

    def forget_expired(self) -> None:
        """Gives the memory back; to be called now and then."""
        with self._lock:
            if self._clock() > self._until:
                self._table = None

    def _remember(self, fresh: _Table) -> None:
        with self._lock:
            table = self._table
            if table is not None:
                fresh = fresh.part(~table.has(fresh.handles))  # another thread may have read some, too
            if not len(fresh.handles):
                return
            if table is not None and table.byte_size + fresh.byte_size <= MOST_BYTES:
                self._table = table.with_more(fresh)
                return
            fits = MOST_BYTES * len(fresh.handles) // fresh.byte_size
            self._table = fresh.part(np.arange(len(fresh.handles)) < fits) if fits else None
            self._until = self._clock() + REMEMBERED_S

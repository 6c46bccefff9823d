"""Facts about pictures by handle, remembered for a while: so that asking about a crowd of pictures again and again does
not read them all from the store each time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.types import Handles

Facts = NDArray[Any]  # (N, ...)

FEW = 256  # facts that are read each time
MOST = 1_000_000  # that are remembered
REMEMBERED_S = 300.0


class Remembered:
    """A table from handles to facts; for any number of threads.

    A picture's facts may change, rarely, under the same handle, so all are forgotten five minutes after the first ones
    were read.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until = 0.0
        self._table: tuple[Handles, Facts] | None = None

    def of(self, handles: Handles, read: Callable[[Handles], Facts]) -> Facts:
        """The facts of these pictures, in their order; ``read`` gives those of some."""
        if len(handles) <= FEW:
            return read(handles)
        known = self._current()
        if known is None:
            known = self._with(None, np.unique(handles), read)
        places = np.searchsorted(known[0], handles)
        missing = handles[known[0][np.minimum(places, len(known[0]) - 1)] != handles]
        if len(missing):
            known = self._with(known, np.unique(missing), read)
            places = np.searchsorted(known[0], handles)
        return known[1][places]

    def _current(self) -> tuple[Handles, Facts] | None:
        table = self._table
        return None if self._clock() > self._until or (table is not None and len(table[0]) > MOST) else table

    def _with(
        self, known: tuple[Handles, Facts] | None, missing: Handles, read: Callable[[Handles], Facts]
    ) -> tuple[Handles, Facts]:
        facts = read(missing)
        if known is None:
            table = (missing, facts)
        else:
            places = np.searchsorted(known[0], missing)
            table = (np.insert(known[0], places, missing), np.insert(known[1], places, facts, axis=0))
        with self._lock:
            if known is None:
                self._until = self._clock() + REMEMBERED_S
            self._table = table
        return table

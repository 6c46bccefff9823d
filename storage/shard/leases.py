"""Leases: who of several processes does a piece of upkeep. Kept in memory: when it is lost, the next to ask has it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Leases:
    """May be asked from any thread. clock: seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, tuple[str, float]] = {}  # holder and end, by name

    def take(self, name: str, holder: str, seconds: float) -> bool:
        """Whether the holder has the lease from now on for so many seconds: taken, or renewed; not while it is
        another's.
        """
        with self._lock:
            now = self._clock()
            known, end = self._held.get(name, (holder, now))
            if known != holder and now < end:
                return False
            self._held[name] = (holder, now + seconds)
            return True

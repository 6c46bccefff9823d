"""Counts readers, and keeps new ones out while a writer needs the store to itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from storage.errors import StorageFailure


class ReadGate:
    """Open unless a writer has closed it; one writer at a time."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self._changed = threading.Condition()
        self._readers = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Enters once the gate is open."""
        while True:
            self._open.wait()
            with self._changed:
                if self._open.is_set():
                    self._readers += 1
                    break
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Lets no new reader in. Those inside go on."""
        self._open.clear()  # an event, not the lock: a crowd of readers would keep the lock from the writer
        try:
            yield
        finally:
            self._open.set()

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Whether all readers have left within the time; for use inside `closed`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._readers == 0, timeout=timeout_s)

    @contextmanager
    def alone(self, timeout_s: float) -> Iterator[None]:
        """While there is no reader at all. Raises `StorageFailure` where one stays longer than the time."""
        with self.closed():
            if not self.wait_until_empty(timeout_s):
                raise StorageFailure(f"a read has not ended in {timeout_s:.0f} s", "try again")
            yield

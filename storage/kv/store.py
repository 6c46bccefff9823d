"""The key-value store contract, and its in-memory twin for tests.

A store has named tables of bytes to bytes, ordered by key. A read sees one moment of all tables; a write is one atomic
change of any of them, durable when `KeyValueStore.write` returns. Values handed out are copies: they outlive the
transaction.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from storage.errors import StorageFailure
from storage.kv.read_gate import ReadGate

T = TypeVar("T")

MAX_KEY_BYTES = 511
DRAIN_TIMEOUT_S = 60.0


class ReadTransaction(Protocol):
    """One moment of the store. Not to be used by two threads at a time, nor after its ``with`` block."""

    def get(self, table: str, key: bytes) -> bytes | None: ...

    def has(self, table: str, key: bytes) -> bool:
        """Whether there is such a key, without reading its value."""

    def items(self, table: str, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Entries in key order, from the first key that is at least ``start``."""

    def keys(self, table: str, start: bytes = b"") -> Iterator[bytes]:
        """Keys in order, from the first that is at least ``start``."""

    def count(self, table: str) -> int:
        """Entries in the table, without reading them."""


class WriteTransaction(ReadTransaction, Protocol):
    """A change being made; it reads what it wrote."""

    def put(self, table: str, key: bytes, value: bytes) -> None: ...

    def delete(self, table: str, key: bytes) -> bool:
        """False where there was no such key."""


class KeyValueStore(Protocol):
    """Thread-safe. A thread must not begin a transaction inside another: a store that has to grow would wait for it."""

    def read(self) -> AbstractContextManager[ReadTransaction]: ...

    def write(self, work: Callable[[WriteTransaction], T]) -> T:
        """Runs ``work`` in the one write transaction and commits it, or changes nothing where it raises.

        ``work`` may run more than once (the store may have had to grow), so all it does is to the transaction.
        Raises `StorageFailure` where the store cannot be written.
        """

    def add_tables(self, names: Sequence[str]) -> None:
        """Creates those of the tables that do not exist, once transactions under way have ended."""

    def drop_tables(self, names: Sequence[str]) -> None:
        """Removes those of the tables that exist, once transactions under way have ended."""

    def disk_bytes(self) -> int: ...

    def backup(self, directory: Path) -> None:
        """Writes a consistent, compact, checked copy into the folder, which must not exist; reads and writes go on."""

    def close(self) -> None:
        """Waits for transactions to end. Closing twice is allowed; every other call then raises `StorageFailure`."""


Tables = dict[str, dict[bytes, bytes]]


class MemoryStore:
    """Dictionaries, copied on write: a twin for tests, with nothing kept."""

    def __init__(self, tables: Sequence[str] = ()) -> None:
        self._tables: Tables = {name: {} for name in tables}
        self._write_lock = threading.Lock()
        self._gate = ReadGate()
        self._closed = False

    @contextmanager
    def read(self) -> Iterator[ReadTransaction]:
        with self._gate.reading():
            yield _MemoryTransaction(self._open_tables())

    def write(self, work: Callable[[WriteTransaction], T]) -> T:
        with self._write_lock:
            transaction = _MemoryTransaction(dict(self._open_tables()))
            result = work(transaction)
            self._tables = transaction.tables
            return result

    def add_tables(self, names: Sequence[str]) -> None:
        with self._write_lock:
            if not self._open_tables().keys() >= set(names):
                with self._gate.alone(DRAIN_TIMEOUT_S):
                    self._tables = {**{name: {} for name in names}, **self._tables}

    def drop_tables(self, names: Sequence[str]) -> None:
        with self._write_lock:
            if not self._open_tables().keys().isdisjoint(names):
                with self._gate.alone(DRAIN_TIMEOUT_S):
                    self._tables = {name: table for name, table in self._tables.items() if name not in names}

    def disk_bytes(self) -> int:
        return 0

    def backup(self, directory: Path) -> None:
        raise StorageFailure("an in-memory store has no files to back up", "use a store on disk")

    def close(self) -> None:
        self._closed = True

    def reopened(self) -> MemoryStore:
        """A store with the content of this one, as opening a folder again gives."""
        store = MemoryStore()
        store._tables = self._tables
        return store

    def _open_tables(self) -> Tables:
        if self._closed:
            raise StorageFailure("the store is closed", "open it again")
        return self._tables


class _MemoryTransaction:
    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._own: set[str] = set()

    def get(self, table: str, key: bytes) -> bytes | None:
        return self.tables[table].get(key)

    def has(self, table: str, key: bytes) -> bool:
        return key in self.tables[table]

    def items(self, table: str, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        for key in self.keys(table, start):
            value = self.tables[table].get(key)
            if value is not None:
                yield key, value

    def keys(self, table: str, start: bytes = b"") -> Iterator[bytes]:
        ordered = sorted(self.tables[table])
        yield from ordered[bisect_left(ordered, start) :]

    def count(self, table: str) -> int:
        return len(self.tables[table])

    def put(self, table: str, key: bytes, value: bytes) -> None:
        check_key(key)
        self._own_table(table)[key] = bytes(value)

    def delete(self, table: str, key: bytes) -> bool:
        return self._own_table(table).pop(key, None) is not None

    def _own_table(self, table: str) -> dict[bytes, bytes]:
        if table not in self._own:
            self.tables[table] = dict(self.tables[table])
            self._own.add(table)
        return self.tables[table]


def check_key(key: bytes) -> None:
    """Raises `StorageFailure` for a key that no store takes."""
    if not 0 < len(key) <= MAX_KEY_BYTES:
        raise StorageFailure(f"a key of {len(key)} bytes", f"keys have 1 to {MAX_KEY_BYTES} bytes")

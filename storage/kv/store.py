"""The key-value store contract.

A store has named tables of bytes to bytes, ordered by key. A read sees one moment of all tables; a write is one atomic
change of any of them, durable when `KeyValueStore.write` returns. Values handed out are copies: they outlive the
transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

from storage.errors import StorageFailure

T = TypeVar("T")

MAX_KEY_BYTES = 511


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


def check_key(key: bytes) -> None:
    """Raises `StorageFailure` for a key that no store takes."""
    if not 0 < len(key) <= MAX_KEY_BYTES:
        raise StorageFailure(f"a key of {len(key)} bytes", f"keys have 1 to {MAX_KEY_BYTES} bytes")

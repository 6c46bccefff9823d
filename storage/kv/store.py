"""The key-value store: one LMDB environment, synced at every commit.

A store has named tables of bytes to bytes, ordered by key. A read sees one moment of all tables; a write is one atomic
change of any of them, durable when `LmdbStore.write` returns. Values handed out are copies: they outlive the
transaction.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import lmdb
from lmdb import verify as lmdb_verify

from storage.errors import CorruptData, DiskFull, StorageFailure
from storage.files import sync_path
from storage.kv.read_gate import ReadGate

logger = logging.getLogger(__name__)
T = TypeVar("T")

MAX_KEY_BYTES = 511
ENGINE = 0  # LMDB 0.9, whose file format every other tool reads; the package bundles 1.0 too, with another format
INITIAL_MAP_BYTES = 64 << 30  # address space, not disk
MAX_READERS = 1024
MAX_TABLES = 256
DRAIN_TIMEOUT_S = 60.0  # that reads have to end in before the map or the tables change, which are the whole process's


class ReadTransaction:
    """One moment of the store. Not to be used by two threads at a time, nor after its ``with`` block."""

    def __init__(self, transaction: lmdb.Transaction[bytes], databases: dict[str, lmdb._Database]) -> None:
        """For `LmdbStore` only."""
        self._transaction = transaction
        self._databases = databases

    def get(self, table: str, key: bytes) -> bytes | None:
        return self._transaction.get(key, db=self._databases[table])

    def has(self, table: str, key: bytes) -> bool:
        """Whether there is such a key, without reading its value."""
        with self._transaction.cursor(db=self._databases[table]) as cursor:
            return cursor.set_key(key)

    def items(self, table: str, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Entries in key order, from the first key that is at least ``start``."""
        with self._transaction.cursor(db=self._databases[table]) as cursor:
            if cursor.set_range(start):  # the first key where the start is empty
                yield from cursor.iternext()

    def keys(self, table: str, start: bytes = b"") -> Iterator[bytes]:
        """Keys in order, from the first that is at least ``start``."""
        with self._transaction.cursor(db=self._databases[table]) as cursor:
            if cursor.set_range(start):  # the first key where the start is empty
                yield from cursor.iternext(keys=True, values=False)

    def count(self, table: str) -> int:
        """Entries in the table, without reading them."""
        return self._transaction.stat(self._databases[table])["entries"]


class WriteTransaction(ReadTransaction):
    """A change being made; it reads what it wrote."""

    def put(self, table: str, key: bytes, value: bytes) -> None:
        """Raises `StorageFailure` for a key that no store takes."""
        if not 0 < len(key) <= MAX_KEY_BYTES:
            raise StorageFailure(f"a key of {len(key)} bytes", f"keys have 1 to {MAX_KEY_BYTES} bytes")
        self._transaction.put(key, value, db=self._databases[table])

    def delete(self, table: str, key: bytes) -> bool:
        """False where there was no such key."""
        return self._transaction.delete(key, db=self._databases[table])


class LmdbStore:
    """Thread-safe. A thread must not begin a transaction inside another: a store that has to grow would wait for it.
    The folder belongs to one process at a time: see `storage.kv.folder_lock`.
    """

    def __init__(self, directory: Path, tables: Sequence[str] = (), *, map_bytes: int = INITIAL_MAP_BYTES) -> None:
        """Raises `CorruptData` for files that are not a store, `StorageFailure` where they cannot be opened."""
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._databases: dict[str, lmdb._Database] = {}
        self._write_lock = threading.Lock()
        self._gate = ReadGate()
        self._closed = False
        with _our_errors(directory):
            self._environment = lmdb.open(
                str(directory),
                map_size=map_bytes,
                max_dbs=MAX_TABLES,
                max_readers=MAX_READERS,
                sync=True,
                metasync=True,
                lib_version=ENGINE,
            )
            self._environment.reader_check()  # frees the slots of processes that were killed
        self.add_tables(tables)

    @contextmanager
    def read(self) -> Iterator[ReadTransaction]:
        with self._gate.reading(), _our_errors(self._directory):
            self._check_open()
            with self._environment.begin() as transaction:
                yield ReadTransaction(transaction, self._databases)

    def write(self, work: Callable[[WriteTransaction], T]) -> T:
        """Runs ``work`` in the one write transaction and commits it, or changes nothing where it raises.

        ``work`` may run more than once (the store may have had to grow), so all it does is to the transaction.
        Raises `StorageFailure` where the store cannot be written.
        """
        with self._write_lock, _our_errors(self._directory):
            self._check_open()
            return self._committed(lambda transaction: work(WriteTransaction(transaction, self._databases)))

    def add_tables(self, names: Sequence[str]) -> None:
        """Creates those of the tables that do not exist, once transactions under way have ended."""
        with self._write_lock, _our_errors(self._directory):
            self._check_open()
            new = [name for name in names if name not in self._databases]
            if new:
                with self._gate.alone(DRAIN_TIMEOUT_S):
                    for name in new:
                        self._databases[name] = self._open_table(name)

    def drop_tables(self, names: Sequence[str]) -> None:
        """Removes those of the tables that exist, once transactions under way have ended."""
        with self._write_lock, _our_errors(self._directory):
            self._check_open()
            known = [name for name in names if name in self._databases]
            if known:
                # Emptying them takes long, and reads go on meanwhile.
                self._committed(lambda transaction: self._drop(transaction, known, delete=False))
                with self._gate.alone(DRAIN_TIMEOUT_S):
                    self._committed(lambda transaction: self._drop(transaction, known, delete=True))
                    for name in known:
                        del self._databases[name]

    def disk_bytes(self) -> int:
        """Blocks that the file takes on disk."""
        return (self._directory / "data.mdb").stat().st_blocks * 512

    def backup(self, directory: Path) -> None:
        """Writes a consistent, compact, checked copy into the folder, which must not exist; reads and writes go on."""
        if directory.exists():
            raise StorageFailure(f"{directory} exists", "name a folder that does not exist yet")
        unfinished = directory.with_name(directory.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        with self._gate.reading(), _our_errors(self._directory):
            self._check_open()
            self._environment.copy(str(unfinished), compact=True)
        check_file(unfinished)
        sync_path(unfinished / "data.mdb")
        unfinished.rename(directory)
        sync_path(directory.parent)

    def close(self) -> None:
        """Waits for transactions to end. Closing twice is allowed; every other call then raises `StorageFailure`."""
        with self._write_lock:
            if not self._closed:
                with self._gate.alone(DRAIN_TIMEOUT_S):
                    self._closed = True
                    self._environment.close()

    def _open_table(self, name: str) -> lmdb._Database:
        while True:
            try:
                return self._environment.open_db(name.encode())
            except lmdb.MapFullError:
                self._double_map()

    def _drop(self, transaction: lmdb.Transaction[bytes], names: Sequence[str], *, delete: bool) -> None:
        """Empties the tables, or removes them too."""
        for name in names:
            transaction.drop(self._databases[name], delete=delete)

    def _committed(self, work: Callable[[lmdb.Transaction[bytes]], T]) -> T:
        """What ``work`` returns; where the map is full, it begins again with a larger one."""
        while True:
            transaction = self._environment.begin(write=True)
            try:
                result = work(transaction)
                transaction.commit()
                return result
            except lmdb.MapFullError:
                self._abort(transaction)
                with self._gate.alone(DRAIN_TIMEOUT_S):
                    self._double_map()
            except BaseException:
                self._abort(transaction)
                raise

    def _abort(self, transaction: lmdb.Transaction[bytes]) -> None:
        # lmdb's abort waits for an instant without any call in progress, which a crowd of readers might never leave it
        with self._gate.closed():
            transaction.abort()

    def _double_map(self) -> None:
        size = 2 * self._environment.info()["map_size"]
        self._environment.set_mapsize(size)
        logger.info("%s: map grown to %d MiB", self._directory, size >> 20)

    def _check_open(self) -> None:
        if self._closed:
            raise StorageFailure(f"the store in {self._directory} is closed", "open it again")


def check_file(directory: Path) -> None:
    """Walks every page of a store that nothing has open. Raises `CorruptData` with the first problems found."""
    try:
        problems = lmdb_verify.verify(str(directory))  # type: ignore[no-untyped-call]  # lmdb has no stub for it
    except (lmdb_verify.VerifyError, OSError) as failure:
        raise CorruptData(f"{directory} is not a readable store: {failure}") from None
    if problems:
        raise CorruptData(f"{directory}: {'; '.join(problems[:3])}")


@contextmanager
def _our_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except (lmdb.CorruptedError, lmdb.InvalidError, lmdb.PageNotFoundError, lmdb.VersionMismatchError) as failure:
        raise CorruptData(f"{directory}: {failure}") from failure
    except lmdb.DiskError as failure:
        hint = "give it free space and try again; nothing that was acknowledged is lost"
        raise DiskFull(f"the disk that holds {directory} is full", hint) from failure
    except lmdb.Error as failure:
        hint = "look at the free space and the permissions of the disk"
        raise StorageFailure(f"{directory} cannot be used: {failure}", hint) from failure

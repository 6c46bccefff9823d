"""The key-value store on disk: one LMDB environment, synced at every commit."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

import lmdb
from lmdb import verify as lmdb_verify

from storage.errors import CorruptData, StorageFailure
from storage.files import sync_path
from storage.kv.read_gate import ReadGate
from storage.kv.store import ReadTransaction, WriteTransaction, check_key

logger = logging.getLogger(__name__)
T = TypeVar("T")

ENGINE = 0  # LMDB 0.9, whose file format every other tool reads; the package bundles 1.0 too, with another format
INITIAL_MAP_BYTES = 64 << 30  # address space, not disk
MAX_READERS = 1024
MAX_TABLES = 256
DRAIN_TIMEOUT_S = 60.0


class LmdbStore:
    """See `storage.kv.store.KeyValueStore`. The folder belongs to one process at a time: see
    `storage.kv.folder_lock`.
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
                yield _LmdbTransaction(transaction, self._databases)

    def write(self, work: Callable[[WriteTransaction], T]) -> T:
        with self._write_lock, _our_errors(self._directory):
            while True:
                self._check_open()
                transaction = self._environment.begin(write=True)
                try:
                    result = work(_LmdbTransaction(transaction, self._databases))
                    transaction.commit()
                    return result
                except lmdb.MapFullError:
                    self._abort(transaction)
                    self._grow()
                except BaseException:
                    self._abort(transaction)
                    raise

    def add_tables(self, names: Sequence[str]) -> None:
        with self._write_lock, _our_errors(self._directory):
            self._check_open()
            new = [name for name in names if name not in self._databases]
            if new:
                with self._alone():
                    for name in new:
                        self._databases[name] = self._open_table(name)

    def drop_tables(self, names: Sequence[str]) -> None:
        with self._write_lock, _our_errors(self._directory):
            self._check_open()
            known = [name for name in names if name in self._databases]
            if known:
                self._drop(known, delete=False)  # what takes long, while reads go on
                with self._alone():
                    self._drop(known, delete=True)
                    for name in known:
                        del self._databases[name]

    def disk_bytes(self) -> int:
        """Blocks that the file takes on disk."""
        return (self._directory / "data.mdb").stat().st_blocks * 512

    def backup(self, directory: Path) -> None:
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
        with self._write_lock:
            if not self._closed:
                with self._alone():
                    self._closed = True
                    self._environment.close()

    def _alone(self) -> AbstractContextManager[None]:
        """While no other transaction is under way: the map, and handles of tables, are the whole process's."""
        return self._gate.alone(DRAIN_TIMEOUT_S)

    def _open_table(self, name: str) -> lmdb._Database:
        while True:
            try:
                return self._environment.open_db(name.encode())
            except lmdb.MapFullError:
                self._double_map()

    def _drop(self, names: Sequence[str], *, delete: bool) -> None:
        """Empties the tables, or removes them too."""
        while True:
            transaction = self._environment.begin(write=True)
            try:
                for name in names:
                    transaction.drop(self._databases[name], delete=delete)
                transaction.commit()
                return
            except lmdb.MapFullError:
                self._abort(transaction)
                self._grow()

    def _abort(self, transaction: lmdb.Transaction[bytes]) -> None:
        # lmdb's abort waits for an instant without any call in progress, which a crowd of readers might never leave it
        with self._gate.closed():
            transaction.abort()

    def _grow(self) -> None:
        with self._alone():
            self._double_map()

    def _double_map(self) -> None:
        size = 2 * self._environment.info()["map_size"]
        self._environment.set_mapsize(size)
        logger.info("%s: map grown to %d MiB", self._directory, size >> 20)

    def _check_open(self) -> None:
        if self._closed:
            raise StorageFailure(f"the store in {self._directory} is closed", "open it again")


class _LmdbTransaction:
    def __init__(self, transaction: lmdb.Transaction[bytes], databases: dict[str, lmdb._Database]) -> None:
        self._transaction = transaction
        self._databases = databases

    def get(self, table: str, key: bytes) -> bytes | None:
        return self._transaction.get(key, db=self._databases[table])

    def has(self, table: str, key: bytes) -> bool:
        with self._transaction.cursor(db=self._databases[table]) as cursor:
            return cursor.set_key(key)

    def items(self, table: str, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        with self._transaction.cursor(db=self._databases[table]) as cursor:
            if cursor.set_range(start) if start else cursor.first():
                yield from cursor.iternext()

    def keys(self, table: str, start: bytes = b"") -> Iterator[bytes]:
        with self._transaction.cursor(db=self._databases[table]) as cursor:
            if cursor.set_range(start) if start else cursor.first():
                yield from cursor.iternext(keys=True, values=False)

    def count(self, table: str) -> int:
        return self._transaction.stat(self._databases[table])["entries"]

    def put(self, table: str, key: bytes, value: bytes) -> None:
        check_key(key)
        self._transaction.put(key, value, db=self._databases[table])

    def delete(self, table: str, key: bytes) -> bool:
        return self._transaction.delete(key, db=self._databases[table])


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
    except lmdb.MapFullError:
        raise
    except lmdb.Error as failure:
        hint = "look at the free space and the permissions of the disk"
        raise StorageFailure(f"{directory} cannot be used: {failure}", hint) from failure

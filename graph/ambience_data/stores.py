"""One LMDB of an original installation, opened for reading alone: without a lock file, on a read-only disk too.

The service that wrote it must not run meanwhile: without a lock it would take pages away under the reader.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import lmdb

from storage.errors import CorruptData

ENGINES = (0, 1)  # of the package: LMDB 0.9, whose files the original services write, and 1.0
HINT = "copy it again from the original installation, or import the other folders without it"


class DataStore:
    """A table of keys and values in the order of keys. path: of its folder, or of the file itself."""

    def __init__(self, path: str) -> None:
        """Raises `CorruptData` for what is no LMDB, or is cut off."""
        self.path = path
        self._environment = _opened(path)
        self._transaction = self._environment.begin()

    @property
    def entries(self) -> int:
        return int(self._environment.stat()["entries"])

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Raises `CorruptData` where a page is damaged."""
        try:
            with self._transaction.cursor() as cursor:
                yield from cursor.iternext()
        except lmdb.Error as failure:
            raise CorruptData(f"{self.path} is damaged: {failure}", HINT) from failure

    def keys(self) -> Iterator[bytes]:
        """As `items`."""
        try:
            with self._transaction.cursor() as cursor:
                yield from cursor.iternext(keys=True, values=False)
        except lmdb.Error as failure:
            raise CorruptData(f"{self.path} is damaged: {failure}", HINT) from failure

    def get(self, key: bytes) -> bytes | None:
        """As `items`."""
        try:
            return self._transaction.get(key) if 0 < len(key) <= self._environment.max_key_size() else None
        except lmdb.Error as failure:
            raise CorruptData(f"{self.path} is damaged: {failure}", HINT) from failure

    def close(self) -> None:
        self._transaction.abort()
        self._environment.close()


def _opened(path: str) -> lmdb.Environment:
    file = os.path.join(path, "data.mdb") if os.path.isdir(path) else path
    reason: object = "it is empty"
    for engine in ENGINES if os.path.isfile(file) and os.path.getsize(file) else ():
        try:
            environment = lmdb.open(
                path, subdir=os.path.isdir(path), readonly=True, lock=False, create=False, lib_version=engine
            )
        except lmdb.Error as failure:
            reason = failure if engine == ENGINES[0] else reason
            continue
        needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        if os.path.getsize(file) >= needed:
            return environment
        environment.close()  # reading behind the end of the file would end the process
        reason = f"it has {os.path.getsize(file)} of {needed} bytes"
        break
    raise CorruptData(f"{path} is no LMDB that can be read: {reason}", HINT)

"""One owner a folder: a lock file that the operating system frees when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Self

from storage.errors import DataFolderInUse

LOCK_NAME = "LOCK"
POLL_S = 0.05


class FolderLock:
    """Holds ``<directory>/LOCK`` from construction to `release`. The file holds the owner's process id, for messages
    only.
    """

    def __init__(self, directory: Path, *, timeout_s: float) -> None:
        """Raises `DataFolderInUse`, naming the owner, when it is still held after ``timeout_s``."""
        directory.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._wait(directory, time.monotonic() + timeout_s)
        except BaseException:
            os.close(self._descriptor)
            raise
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def _wait(self, directory: Path, deadline: float) -> None:
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    owner = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
                    raise DataFolderInUse(
                        f"{directory} is in use by process {owner}", "stop that process, or use another folder"
                    ) from None
            time.sleep(POLL_S)

    def release(self) -> None:
        """Frees the folder; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)  # closing is what unlocks
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.release()

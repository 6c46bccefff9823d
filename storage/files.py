"""What every room needs of the file system."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

EVERYWHERE = (Path("/"),)


def sync_path(path: Path) -> None:
    """Makes a file's bytes, or a folder's entries, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lies_in(path: str, folders: Iterable[str]) -> bool:
    """Whether it is one of the folders, or below one. All of them are real paths."""
    return any(path == folder or path.startswith(os.path.join(folder, "")) for folder in folders)


def is_reachable(folder: str) -> bool:
    """Whether the folder is there and has something in it that is not hidden: without its drive, it has not."""
    try:
        with os.scandir(folder) as entries:
            return any(not entry.name.startswith(".") and entry.name != "lost+found" for entry in entries)
    except OSError:
        return False

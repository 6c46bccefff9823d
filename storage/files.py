"""What every room needs of the file system."""

from __future__ import annotations

import os
from pathlib import Path


def sync_path(path: Path) -> None:
    """Makes a file's bytes, or a folder's entries, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_reachable(folder: str) -> bool:
    """Whether the folder is there and has something in it: where a drive is not mounted, it has not."""
    try:
        with os.scandir(folder) as entries:
            return any(entries)
    except OSError:
        return False

"""A folder has one owner, whoever dies in whatever way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from storage.errors import DataFolderInUse
from storage.kv.folder_lock import FolderLock

HOLDER = """
import sys
from pathlib import Path
from storage.kv.folder_lock import FolderLock
lock = FolderLock(Path(sys.argv[1]), timeout_s=10)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_owner_is_refused_and_told_the_first(tmp_path: Path) -> None:
    with FolderLock(tmp_path, timeout_s=0), pytest.raises(DataFolderInUse, match=f"process {os.getpid()}"):
        FolderLock(tmp_path, timeout_s=0.06)


def test_a_released_folder_can_be_taken_again(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "new", timeout_s=0)
    lock.release()
    lock.release()
    FolderLock(tmp_path / "new", timeout_s=0).release()


def test_a_killed_owner_leaves_the_folder_free(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DataFolderInUse, match=f"process {holder.pid}"):
            FolderLock(tmp_path, timeout_s=0)
        holder.kill()
        FolderLock(tmp_path, timeout_s=10).release()

"""Moving one file without ever overwriting or losing one: it is whole in one place or the other at every moment."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from pathlib import Path
from typing import Literal

CANNOT_LINK = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
)  # another file system, or one that has no links
CANNOT_SYNC = frozenset({errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP, errno.ENOSYS})

Content = Literal["missing", "right", "other"]


def content_at(path: Path, sha256: str) -> Content:
    """Whether the path is a regular file with these bytes. A link, a folder, or what cannot be read, is "other"."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return "other"
        with path.open("rb") as file:
            return "right" if hashlib.file_digest(file, "sha256").hexdigest() == sha256 else "other"
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError:
        return "other"


def is_part_of(copy: Path, whole: Path) -> bool:
    """Whether the one is a regular file with the other's first bytes, or all of them: as a copy that was broken off."""
    size = os.lstat(copy).st_size
    with whole.open("rb") as file:
        digest = hashlib.sha256(file.read(size)).hexdigest()
    return content_at(copy, digest) == "right"


def move_file(source: Path, target: Path, sha256: str) -> None:
    """Raises FileExistsError where the target is taken, OSError where it cannot be done, or the file changes meanwhile;
    it is at the source then. Where that is gone, or is another one by now, the file stays at the target, whatever was
    reported: a file server may do what it says has failed.

    A second name and the removal of the first do it within a file system, because a rename would overwrite; a copy
    that is on disk and has been compared does it across file systems.
    """
    before = os.lstat(source)
    make_folder(target.parent)
    _give_second_place(source, target, sha256, before)
    try:
        sync_folder(target.parent)
        if not _is_unchanged(os.lstat(source), before):
            raise OSError(errno.EBUSY, "the file has just changed", os.fspath(source))
        os.unlink(source)
    except OSError:
        if _is_still_at(source, target, before) and is_apart(source, target):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(target)
            raise
    with contextlib.suppress(OSError):  # it has been moved all the same
        sync_folder(source.parent)


def is_apart(path: Path, other: Path) -> bool:
    """Whether the file stays at the path when the other path is removed: it is another file, or has two names. It is
    opened for that, so that a file server is asked, and not what is remembered of it.
    """
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return False
        with path.open("rb") as file:
            now = os.fstat(file.fileno())
    except OSError:
        return False
    return now.st_nlink > (1 if _is_file(other, now) else 0)


def _is_file(path: Path, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.lstat(path), status)
    except OSError:
        return False


def _give_second_place(source: Path, target: Path, sha256: str, before: os.stat_result) -> None:
    """A second name, or a copy."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as failure:
        if _is_file(target, before) and is_apart(target, source):
            return  # it was done, and reported as failed
        if failure.errno not in CANNOT_LINK:
            raise
        _copy(source, target, sha256)


def _copy(source: Path, target: Path, sha256: str) -> None:
    with source.open("rb") as old, target.open("xb") as new:
        try:
            shutil.copyfileobj(old, new, 1 << 20)
            new.flush()
            os.fsync(new.fileno())
            with contextlib.suppress(OSError):  # a file system without times or rights of its own
                shutil.copystat(source, target)
            if content_at(target, sha256) != "right":
                raise OSError(errno.EIO, "the copy differs from the file", os.fspath(target))
        except OSError:
            os.unlink(target)
            raise


def _is_unchanged(now: os.stat_result, before: os.stat_result) -> bool:
    """Told by the times, too: another file may have got the number of one that is gone."""
    return os.path.samestat(now, before) and (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def _is_still_at(source: Path, target: Path, before: os.stat_result) -> bool:
    """Whether all that is at the target is at the source as well."""
    try:
        now = os.lstat(source)
    except OSError:
        return False
    return _is_unchanged(now, before) or _is_file(target, now)


def make_folder(folder: Path) -> None:
    """With those above it, each on disk."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Puts the names in the folder on disk, and everything else where it may not be opened. File systems that have no
    such step for folders, as those of networks, are passed over.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        os.sync()
        return
    try:
        os.fsync(handle)
    except OSError as failure:
        if failure.errno not in CANNOT_SYNC:
            raise
    finally:
        os.close(handle)


def free_name(target: Path) -> Path:
    """The target, or with a number before its ending where there is such a file: ``a (2).jpg``."""
    number, found = 2, target
    while os.path.lexists(found):
        found = target.with_name(f"{target.stem} ({number}){target.suffix}")
        number += 1
    return found

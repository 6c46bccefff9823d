"""Which files a batch job takes, and under which ids. Pure but for reading folders."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from deployments.pictures.formats import HEAD_BYTES, picture_format
from deployments.pictures.raw import INSTALL, RAW_SUFFIXES, reads_raw
from storage.encoding.keys import check_image_id
from storage.errors import InvalidField, LookalikeError, UnsupportedImage
from storage.types.jobs import JobFailure
from storage.types.pictures import SourceFile

IMAGE_SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".avif",
        ".heic",
        ".heif",
        ".mpo",
    ]
)
EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file to index. id is None where only its contents tell."""

    source: SourceFile
    id: str | None


@dataclass(slots=True)
class LeftOut:
    """What stood in the folders and was not taken.

    passed_over: how many files are no pictures, by their ending in small letters. Hidden is what has a name that begins
    with a dot. Links to folders are not followed; links to files are.
    """

    passed_over: Counter[str] = field(default_factory=Counter)
    hidden_files: int = 0
    hidden_folders: list[str] = field(default_factory=list)
    linked_folders: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For the record of a job, which stays small: the most frequent endings, folders as a count and examples.
        remedies: by ending, what to do for such files to be taken.
        """
        named = {"hidden_folders": self.hidden_folders, "linked_folders": self.linked_folders}
        shown = dict(self.passed_over.most_common(EXAMPLES))
        return {
            "passed_over": shown,
            "passed_over_others": self.passed_over.total() - sum(shown.values()),
            "remedies": {ending: INSTALL for ending in shown if ending in RAW_SUFFIXES},
            "hidden_files": self.hidden_files,
            **{name: {"count": len(paths), "examples": paths[:EXAMPLES]} for name, paths in named.items()},
        }


@dataclass(frozen=True, slots=True)
class Listing:
    files: tuple[ListedFile, ...]
    failures: tuple[JobFailure, ...]
    left_out: LeftOut


def list_images(paths: Iterable[str], id_from: str) -> Listing:
    """Every picture under the paths, by name, once. A folder's files are taken by their ending, and by their contents
    where they have none; a file that is named is always taken.

    Two files that would have the same id are a failure of the second, so that the result does not depend on which is
    read first.
    """
    files: list[ListedFile] = []
    failures: list[JobFailure] = []
    owners: dict[str, str] = {}
    seen: set[str] = set()
    left_out = LeftOut()
    for root, path in _walk(paths, failures, left_out):
        if path in seen:
            continue
        seen.add(path)
        try:
            image_id = _id_of(path, root, id_from)
            if image_id is not None:
                check_image_id(image_id)
                if owners.setdefault(image_id, path) != path:
                    raise InvalidField(
                        f"the id {image_id!r} is taken by {owners[image_id]}",
                        "index the folders apart, or use --id-from sha256",
                    )
            status = os.stat(path)
        except (OSError, LookalikeError) as failure:
            failures.append(_failure(path, failure))
            continue
        files.append(ListedFile(SourceFile(path, status.st_size, status.st_mtime_ns), image_id))
    return Listing(tuple(files), tuple(failures), left_out)


def _walk(paths: Iterable[str], failures: list[JobFailure], left_out: LeftOut) -> Iterator[tuple[str, str]]:
    """(the path that was asked for or its folder, a file), in the order of names; each folder once."""
    walked: set[str] = set()
    for asked in paths:
        if os.path.isfile(asked):
            yield os.path.dirname(asked), asked
            continue
        if not os.path.isdir(asked):
            failures.append(JobFailure(asked, "not_found", "no such file or folder"))
            continue
        for folder, folders, names in os.walk(
            asked, onerror=lambda error: failures.append(_failure(str(error.filename), error))
        ):
            if folder in walked:
                folders.clear()
                continue
            walked.add(folder)
            folders[:] = [name for name in sorted(folders) if _looks_into(os.path.join(folder, name), left_out)]
            for name in sorted(names):
                if _takes(os.path.join(folder, name), left_out):
                    yield asked, os.path.join(folder, name)


def _looks_into(folder: str, left_out: LeftOut) -> bool:
    if os.path.basename(folder).startswith("."):
        left_out.hidden_folders.append(_printable(folder))
    elif os.path.islink(folder):  # os.walk would not follow it
        left_out.linked_folders.append(_printable(folder))
    else:
        return True
    return False


def _takes(path: str, left_out: LeftOut) -> bool:
    if os.path.basename(path).startswith("."):
        left_out.hidden_files += 1
        return False
    ending = os.path.splitext(path)[1].lower()
    if ending in IMAGE_SUFFIXES or (ending in RAW_SUFFIXES and reads_raw()) or (not ending and _holds_a_picture(path)):
        return True
    left_out.passed_over[_printable(ending)] += 1
    return False


def _holds_a_picture(path: str) -> bool:
    try:
        status = os.stat(path)
        # To open a pipe would wait for whoever writes into it.
        return stat.S_ISREG(status.st_mode) and _begins_like_a_picture(path, status.st_mtime_ns)
    except OSError:
        return False


@lru_cache(maxsize=100_000)  # a folder that is watched is listed every few seconds
def _begins_like_a_picture(path: str, mtime_ns: int) -> bool:
    """mtime_ns: of the file as it is; another is another file."""
    try:
        with open(path, "rb") as file:
            picture_format(file.read(HEAD_BYTES))
    except UnsupportedImage:
        return False
    return True


def _id_of(path: str, root: str, id_from: str) -> str | None:
    if id_from == "sha256":
        return None
    if id_from == "path":
        return _text(Path(os.path.relpath(path, root)).as_posix())
    name = os.path.basename(path)
    if id_from == "stem":
        return _text(os.path.splitext(name)[0])
    number = name.split(".", 1)[0]
    if not (number.isascii() and number.isdigit()):
        raise InvalidField(f"the name {name!r} does not begin with a number", "use --id-from path or stem")
    return str(int(number))


def _text(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as broken:
        raise InvalidField(
            f"the name {name!r} is not valid UTF-8", "rename the file, or use --id-from sha256"
        ) from broken
    return name


def _failure(path: str, failure: Exception) -> JobFailure:
    code = failure.code if isinstance(failure, LookalikeError) else "unreadable_file"
    reason = failure.strerror or str(failure) if isinstance(failure, OSError) else str(failure)
    return JobFailure(_printable(path), code, reason)


def _printable(path: str) -> str:
    """With a mark in place of bytes that are not UTF-8."""
    return path.encode(errors="replace").decode()

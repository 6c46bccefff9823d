"""Which files a batch job takes, and under which ids. Pure but for reading folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from graph.requests.messages import check_image_id
from storage.errors import InvalidField, LookalikeError
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


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file to index. id is None where only its contents tell."""

    source: SourceFile
    id: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    files: tuple[ListedFile, ...]
    failures: tuple[JobFailure, ...]


def list_images(paths: Iterable[str], id_from: str) -> Listing:
    """Every picture under the paths, by name, once. A folder's files are taken by their suffix; a file that is named
    is always taken.

    Two files that would have the same id are a failure of the second, so that the result does not depend on which is
    read first.
    """
    files: list[ListedFile] = []
    failures: list[JobFailure] = []
    owners: dict[str, str] = {}
    seen: set[str] = set()
    for root, path in _walk(paths, failures):
        if path in seen:
            continue
        seen.add(path)
        try:
            image_id = _id_of(path, root, id_from)
            if image_id is not None and owners.setdefault(check_image_id(image_id), path) != path:
                raise InvalidField(
                    f"the id {image_id!r} is taken by {owners[image_id]}",
                    "index the folders apart, or use --id-from sha256",
                )
            status = os.stat(path)
        except (OSError, LookalikeError) as failure:
            failures.append(_failure(path, failure))
            continue
        files.append(ListedFile(SourceFile(path, status.st_size, status.st_mtime_ns), image_id))
    return Listing(tuple(files), tuple(failures))


def _walk(paths: Iterable[str], failures: list[JobFailure]) -> Iterator[tuple[str, str]]:
    """(the path that was asked for or its folder, a file), in the order of names. Hidden files and folders are left
    out.
    """
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
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES:
                    yield asked, os.path.join(folder, name)


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
    return JobFailure(path.encode(errors="replace").decode(), code, reason)

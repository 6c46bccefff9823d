"""Which files a batch job takes. Pure but for reading folders."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from deployments.pictures.formats import HEAD_BYTES, picture_format
from deployments.pictures.raw import INSTALL, RAW_SUFFIXES, reads_raw
from graph.jobs.scanning.exclusion import IGNORE_FILE, Patterns
from storage.errors import Forbidden, LookalikeError, UnreadableImage, UnsupportedImage
from storage.files import EVERYWHERE, lies_in
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
TOLD_EVERY = 500  # files


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file to look at. source: it is at its real path. folder: that was asked for, or the one of a file that was;
    its real path. name: below that folder, as it was found there. is_named: asked for itself.
    """

    source: SourceFile
    folder: str
    name: str
    is_named: bool


@dataclass(slots=True)
class LeftOut:
    """What stood in the folders and was not taken.

    passed_over: how many files are no pictures, by their ending in small letters. excluded: by a pattern. Hidden is
    what has a name that begins with a dot. Links to folders are not followed; links to files are.
    linked_files: of these, those to a file that is listed anyway.
    """

    passed_over: Counter[str] = field(default_factory=Counter)
    excluded: int = 0
    linked_files: int = 0
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
            "excluded": self.excluded,
            "hidden_files": self.hidden_files,
            "linked_files": self.linked_files,
            **{name: {"count": len(paths), "examples": paths[:EXAMPLES]} for name, paths in named.items()},
        }


@dataclass(frozen=True, slots=True)
class Listing:
    """folders: those that were asked for and looked through, by their real paths; each with the files that it passed
    over. given: the paths that were asked for, by the real one of each; not_found: of which there is nothing.
    """

    files: tuple[ListedFile, ...]
    failures: tuple[JobFailure, ...]
    left_out: LeftOut
    folders: Mapping[str, Counter[str]]
    given: Mapping[str, str]
    not_found: frozenset[str]


def list_images(
    paths: Iterable[str],
    exclude: Sequence[str] = (),
    *,
    only: frozenset[str] | None = None,
    roots: Sequence[Path] = EVERYWHERE,
    found: Callable[[int], None] = lambda files: None,
) -> Listing:
    """Every picture under the paths, by name, once. A folder's files are taken by their ending, and by their contents
    where they have none; a file that is named is always taken.

    exclude: patterns as in a `.gitignore`, which each folder may also have in a file `.lookalikeignore`. only: real
    paths of files and folders, beyond which nothing is listed. roots: folders out of which no link may lead. found:
    told now and then how many files there are so far.
    """
    walk = _Walk(exclude, only)
    allowed = [os.path.realpath(root) for root in roots]
    files: dict[str, ListedFile] = {}
    folders: dict[str, Counter[str]] = {}
    given: dict[str, str] = {}
    names: set[str] = set()  # under which files were found
    for asked in paths:
        real = os.path.realpath(asked)
        given.setdefault(real, os.path.abspath(asked))
        before = Counter(walk.left_out.passed_over)
        is_named = os.path.isfile(real)
        for path in walk.named(given[real], real) if is_named else walk.below(real):
            file = _listed(path, os.path.dirname(path) if is_named else real, is_named, walk.failures, allowed)
            if file is not None and file.source.path in files:
                if path not in names:
                    walk.left_out.linked_files += 1
                    if path == file.source.path:  # what came before was the link
                        files[path] = file
            elif file is not None:
                files[file.source.path] = file
                if len(files) % TOLD_EVERY == 0:
                    found(len(files))
            names.add(path)
        if not is_named and os.path.isdir(real):
            folders[real] = walk.left_out.passed_over - before
    not_found = frozenset(path for path in given if not os.path.lexists(path))
    return Listing(tuple(files.values()), tuple(walk.failures), walk.left_out, folders, given, not_found)


def _listed(
    path: str, folder: str, is_named: bool, failures: list[JobFailure], allowed: Sequence[str]
) -> ListedFile | None:
    try:
        status, real = os.lstat(path), path
        if is_named or stat.S_ISLNK(status.st_mode):
            status, real = os.stat(path), os.path.realpath(path)
        if not lies_in(real, allowed):
            raise Forbidden("it leads out of the folders that jobs may read", "see allowed_roots")
        if not stat.S_ISREG(status.st_mode):  # whoever opened a pipe would wait for its other end
            raise UnreadableImage("it is no ordinary file", "exclude it")
    except (OSError, LookalikeError) as failure:
        failures.append(file_failure(path, failure))
        return None
    return ListedFile(
        SourceFile(real, status.st_size, status.st_mtime_ns), folder, os.path.relpath(path, folder), is_named
    )


class _Walk:
    """Through folders, each once."""

    def __init__(self, exclude: Sequence[str], only: frozenset[str] | None) -> None:
        self._exclude = exclude
        self._only = only
        self._on_the_way = {parent for path in only or () for parent in _parents(path)}
        self._walked: set[str] = set()
        self.failures: list[JobFailure] = []
        self.left_out = LeftOut()

    def named(self, path: str, real: str) -> Iterator[str]:
        """A file that was asked for."""
        if self._only is None or real in self._only:
            yield path

    def below(self, asked: str) -> Iterator[str]:
        """Files in the order of names."""
        if not os.path.isdir(asked):
            if self._only is None:
                reason = "neither a file nor a folder" if os.path.lexists(asked) else "no such file or folder"
                self.failures.append(JobFailure(printable(asked), "not_found", reason))
            return
        patterns = Patterns(asked, self._exclude)
        for folder, folders, names in os.walk(asked, onerror=self._failed):
            if folder in self._walked:
                folders.clear()
                continue
            self._walked.add(folder)
            patterns.enter(folder, names)
            is_asked = self._is_asked(folder)
            folders[:] = [
                name for name in sorted(folders) if self._enters(os.path.join(folder, name), patterns, is_asked)
            ]
            for name in sorted(names):
                path = os.path.join(folder, name)
                if (is_asked or path in (self._only or ())) and self._takes(path, patterns):
                    yield path

    def _failed(self, error: OSError) -> None:
        self.failures.append(file_failure(str(error.filename), error))

    def _is_asked(self, folder: str) -> bool:
        """Whether all that is in it is."""
        if self._only is None:
            return True
        return folder in self._only or any(parent in self._only for parent in _parents(folder))

    def _enters(self, folder: str, patterns: Patterns, is_asked: bool) -> bool:
        if not (is_asked or folder in self._on_the_way or folder in (self._only or ())):
            return False
        if patterns.exclude(os.path.join(folder, "")):
            self.left_out.excluded += 1
            return False
        return _looks_into(folder, self.left_out)

    def _takes(self, path: str, patterns: Patterns) -> bool:
        if patterns.exclude(path):
            self.left_out.excluded += 1
            return False
        return _takes(path, self.left_out)


def is_below(path: str, folder: str) -> bool:
    """At any depth."""
    return path.startswith(os.path.join(folder, ""))


def _parents(path: str) -> Iterator[str]:
    while (parent := os.path.dirname(path)) != path:
        yield parent
        path = parent


def _looks_into(folder: str, left_out: LeftOut) -> bool:
    if os.path.basename(folder).startswith("."):
        left_out.hidden_folders.append(printable(folder))
    elif os.path.islink(folder):  # os.walk would not follow it
        left_out.linked_folders.append(printable(folder))
    else:
        return True
    return False


def _takes(path: str, left_out: LeftOut) -> bool:
    name = os.path.basename(path)
    if name.startswith("."):
        left_out.hidden_files += name != IGNORE_FILE
        return False
    ending = os.path.splitext(path)[1].lower()
    if ending in IMAGE_SUFFIXES or (ending in RAW_SUFFIXES and reads_raw()) or (not ending and _holds_a_picture(path)):
        return True
    left_out.passed_over[printable(ending)] += 1
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


def file_failure(path: str, failure: Exception) -> JobFailure:
    code = failure.code if isinstance(failure, LookalikeError) else "unreadable_file"
    reason = failure.strerror or str(failure) if isinstance(failure, OSError) else str(failure)
    return JobFailure(printable(path), code, reason)


def printable(path: str) -> str:
    """With a mark in place of bytes that are not UTF-8."""
    return path.encode(errors="replace").decode()

"""What became of the files that the collection knows, told from a listing of their folders.

A picture goes with its bytes: a file that was renamed, moved or exchanged keeps its row, and nothing is computed anew.
Files are read for that only where a known file has as many bytes.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from graph.jobs.scanning.digests import digest_of
from graph.jobs.scanning.library import Library, source_of
from graph.jobs.scanning.listing import ListedFile, Listing, is_below
from storage.files import is_reachable
from storage.types.library import KnownFile
from storage.types.pictures import SourceFile

Move = tuple[KnownFile, SourceFile]
Known = Mapping[str, Sequence[KnownFile]]  # by the real path


@dataclass(slots=True)
class Comparison:
    """new: files that no picture is of. changed: that have other bytes than their picture. moved: pictures that go with
    their bytes to another file. settled: pictures whose file is as it was, and whose row is not. gone: whose file is;
    missing: whose file was before.

    unchanged: files of pictures that need no work, ``without_exif`` among them. kept_out: how many files are, because
    their pictures were removed by hand; of ``moved_marks`` it is noted where they are now. lifted: those that are kept
    out no longer. unreachable: folders that look as if their drive was not there, and how many pictures are known from
    each.
    """

    new: list[ListedFile] = field(default_factory=list)
    changed: list[tuple[KnownFile, ListedFile]] = field(default_factory=list)
    moved: list[Move] = field(default_factory=list)
    settled: list[Move] = field(default_factory=list)
    gone: list[KnownFile] = field(default_factory=list)
    missing: list[KnownFile] = field(default_factory=list)
    unchanged: list[ListedFile] = field(default_factory=list)
    without_exif: list[KnownFile] = field(default_factory=list)
    kept_out: int = 0
    moved_marks: list[KnownFile] = field(default_factory=list)
    lifted: list[KnownFile] = field(default_factory=list)
    unreachable: dict[str, int] = field(default_factory=dict)


def compare(listing: Listing, library: Library, known: Known, *, threads: int, keeps_ids: bool = True) -> Comparison:
    """known: files in the folders of the listing, or at its paths. keeps_ids: whether a file with other bytes keeps its
    id; where ids are made of the contents it cannot.
    """
    return _Comparing(listing, library, known, threads, keeps_ids).run()


def known_files(listing: Listing, library: Library) -> dict[str, list[KnownFile]]:
    """Of the folders that were looked through, and of the listed files. By their real paths, which older rows may not
    have: they have the one that was given.
    """
    known: dict[str, dict[str, KnownFile]] = defaultdict(dict)
    for real in listing.folders:
        for folder in {real, listing.given[real]}:
            for file in library.below(folder):
                known[real + file.path[len(folder) :]][file.id] = file
    elsewhere = [file.source.path for file in listing.files if file.source.path not in known]
    aliases = {listing.given[path]: path for path in elsewhere if path in listing.given}
    outside = [path for path in elsewhere if not _is_in(path, listing.folders)]
    for file in library.at({*outside, *aliases}):
        known[aliases.get(file.path, file.path)][file.id] = file
    return {path: list(files.values()) for path, files in known.items()}


def known_at(paths: Iterable[str], library: Library) -> dict[str, list[KnownFile]]:
    """At these very paths, and in those that are folders or were."""
    known: dict[str, dict[str, KnownFile]] = defaultdict(dict)
    folders = [path for path in paths if not os.path.isfile(path)]
    for file in (*library.at(paths), *(file for folder in folders for file in library.below(folder))):
        known[file.path][file.id] = file
    return {path: list(files.values()) for path, files in known.items()}


class _Comparing:
    def __init__(self, listing: Listing, library: Library, known: Known, threads: int, keeps_ids: bool) -> None:
        self._listing = listing
        self._library = library
        self._known = known
        self._threads = threads
        self._keeps_ids = keeps_ids
        self._listed = {file.source.path: file for file in listing.files}
        self._found = Comparison()
        self._owners: dict[str, KnownFile] = {}  # by path, of files that look otherwise than the row says
        self._used: set[str] = set()  # ids of pictures that have their file
        self._digests: dict[str, str] = {}

    def run(self) -> Comparison:
        self._note_unreachable()
        to_look_at = [file for file in self._listing.files if not self._is_as_known(file)]
        self._digests = self._digests_of(to_look_at)
        others = [file for file in to_look_at if not self._has_its_bytes(file)]
        by_contents = self._known_contents(others)
        strangers = [file for file in others if not self._takes_over(file, by_contents)]
        for file in strangers:
            self._is_new_or_changed(file)
        self._note_gone()
        return self._found

    def _note_unreachable(self) -> None:
        for folder in self._listing.folders:
            if is_reachable(folder):
                continue
            below = (files for path, files in self._known.items() if is_below(path, folder))
            if stored := sum(file.state == "stored" for files in below for file in files):
                self._found.unreachable[folder] = stored

    def _is_as_known(self, file: ListedFile) -> bool:
        """Whether its size and time say all that there is to know."""
        own = _owner(self._known.get(file.source.path, ()), file.source)
        if own is None:
            return False
        if own.state == "removed" and file.is_named:
            self._found.lifted.append(own)
            return False
        if (own.size, own.mtime_ns) != (file.source.size, file.source.mtime_ns):
            self._owners[file.source.path] = own
            return False
        self._keep(own, file)
        return True

    def _keep(self, own: KnownFile, file: ListedFile) -> None:
        """The file has the bytes that are known of it."""
        self._used.add(own.id)
        now = file.source
        here = own._replace(path=now.path, size=now.size, mtime_ns=now.mtime_ns)
        if own.state == "removed":
            self._found.kept_out += 1
            if here != own:
                self._found.moved_marks.append(here)
            return
        self._found.unchanged.append(file)
        if here != own or own.state == "missing":
            self._found.settled.append((own, now))
        if not own.has_exif:
            self._found.without_exif.append(here)

    def _digests_of(self, files: Sequence[ListedFile]) -> dict[str, str]:
        held = self._library.held_sizes({file.source.size for file in files})
        paths = [file.source.path for file in files if file.source.size in held]
        with ThreadPoolExecutor(self._threads) as threads:
            digests = zip(paths, threads.map(digest_of, paths), strict=True)
            return {path: digest for path, digest in digests if digest is not None}

    def _has_its_bytes(self, file: ListedFile) -> bool:
        """Whether only its time is another one."""
        own = self._owners.get(file.source.path)
        if own is None or self._digests.get(file.source.path) != own.sha256:
            return False
        self._keep(own, file)
        return True

    def _known_contents(self, files: Sequence[ListedFile]) -> Mapping[tuple[int, str], Sequence[KnownFile]]:
        contents = {
            (file.source.size, self._digests[file.source.path]) for file in files if file.source.path in self._digests
        }
        found: dict[tuple[int, str], list[KnownFile]] = defaultdict(list)
        for file in self._library.of_contents(contents):
            found[(file.size, file.sha256)].append(file)
        return found

    def _takes_over(self, file: ListedFile, by_contents: Mapping[tuple[int, str], Sequence[KnownFile]]) -> bool:
        """Whether a picture with these bytes, whose own file is no longer the one it was, goes to this file."""
        path = file.source.path
        same = by_contents.get((file.source.size, self._digests.get(path, "")), ())
        free = [one for one in same if one.id not in self._used and not (file.is_named and one.state == "removed")]
        free.sort(key=lambda one: (one.state == "removed", _name(one.path) != _name(path), one.id))
        former = next((one for one in free if self._has_lost_its_file(one)), None)
        if former is None:
            return False
        if former.state == "removed":
            self._keep(former, file)
        else:
            self._used.add(former.id)
            self._found.moved.append((former, file.source))
        return True

    def _has_lost_its_file(self, known: KnownFile) -> bool:
        if os.path.realpath(known.path) != known.path:  # a folder was moved, and a link left in its place
            return True
        listed = self._listed.get(known.path)
        if listed is not None:
            if (known.size, known.mtime_ns) == (listed.source.size, listed.source.mtime_ns):
                return False
            return listed.source.size != known.size or self._digests.get(known.path) != known.sha256
        try:
            status = os.stat(known.path)
        except OSError as failure:
            return isinstance(failure, FileNotFoundError | NotADirectoryError)
        if (status.st_size, status.st_mtime_ns) == (known.size, known.mtime_ns):
            return False
        return status.st_size != known.size or digest_of(known.path) != known.sha256

    def _is_new_or_changed(self, file: ListedFile) -> None:
        own = self._owners.get(file.source.path)
        if own is not None and own.state == "removed":
            self._found.lifted.append(own)
            own = None
        if own is None or own.id in self._used or (own.id == own.sha256 and not self._keeps_ids):
            self._found.new.append(file)
        else:
            self._used.add(own.id)
            self._found.changed.append((own, file))

    def _note_gone(self) -> None:
        """Pictures whose file is not there, or is another picture's by now."""
        for path, files in self._known.items():
            left = [file for file in files if file.state != "removed" and file.id not in self._used]
            if not left or _is_in(path, self._found.unreachable):
                continue
            self._found.missing += [file for file in left if file.state == "missing"]
            if path in self._listed or is_gone(path):
                self._found.gone += [file for file in left if file.state == "stored"]


def is_gone(path: str) -> bool:
    """Whether there certainly is no such file: one that cannot be looked at may be there."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError as failure:
        return isinstance(failure, FileNotFoundError | NotADirectoryError)


def _owner(files: Sequence[KnownFile], now: SourceFile) -> KnownFile | None:
    """Of several pictures that were a file at some time, the one that is it by its size and time, or was it last."""
    order = {"stored": 0, "missing": 1, "removed": 2}
    return min(files, key=lambda file: (source_of(file) != now, order[file.state], file.id), default=None)


def _is_in(path: str, folders: Iterable[str]) -> bool:
    return any(is_below(path, folder) for folder in folders)


def _name(path: str) -> str:
    return path.rpartition("/")[2]

"""The rounds of an indexing job: one through all of its folders, and, where it watches them, one after each change.

A round looks through files, tells the shards at once what became of those that are known, and has the rest as work.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.pictures.exif import read_exif
from graph.jobs.running.fleet_shards import ShardCalls
from graph.jobs.running.progress import JobProgress
from graph.jobs.scanning.comparison import Comparison, compare, known_at, known_files
from graph.jobs.scanning.ids import ids_of_new
from graph.jobs.scanning.library import Library, source_of
from graph.jobs.scanning.listing import EXAMPLES, ListedFile, Listing, file_failure, list_images, printable
from graph.jobs.scanning.watching import changes
from storage.errors import ImageExists, Unavailable
from storage.files import EVERYWHERE
from storage.types.jobs import JobFailure
from storage.types.library import KnownFile, Root
from storage.types.pictures import Exif, SourceFile

Work = list[tuple[str | None, SourceFile]]
EXIF_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Round:
    """work: files to index, with their ids. is_whole: not only what has changed since the last one."""

    number: int
    listing: Listing
    found: Comparison
    work: Work
    is_whole: bool


class Rounds:
    """Of one job. Each is to be worked off, and then finished, before the next one is asked for."""

    def __init__(
        self,
        arguments: Mapping[str, Any],
        shards: ShardCalls,
        progress: JobProgress,
        *,
        threads: int,
        roots: Sequence[Path] = EVERYWHERE,
    ) -> None:
        """roots: beyond which no file is read."""
        self._paths: Sequence[str] = arguments["paths"]
        self._roots = roots
        self._id_from: str = arguments["id_from"]
        self._skips: bool = arguments["on_conflict"] == "skip"
        self._on_conflict: str = arguments["on_conflict"]
        self._exclude: Sequence[str] = arguments.get("exclude", ())
        self._prunes: bool = arguments.get("prune", False)
        self._watches: bool = arguments["watch"]
        self._library = Library(shards)
        self._progress = progress
        self._threads = threads
        self._number = 0
        self._seen: set[str] = set()  # files that are counted
        self._open: set[str] = set()  # of these, those that the round has to do
        self._missing: dict[str, KnownFile] = {}  # by id, pictures whose file is gone
        self._counts: Counter[str] = Counter()
        self._report: dict[str, Any] = {}

    def __iter__(self) -> Iterator[Round]:
        if not self._watches:
            yield self._look(None)
            return
        for changed in changes(self._paths, self._progress.beat):
            yield self._look(changed)

    def again(self, paths: Sequence[str]) -> Round:
        """For files that were not written, because another one took their id meanwhile."""
        return self._look(frozenset(paths))

    def give_up(self, paths: Sequence[str]) -> None:
        taken = ImageExists("its id was taken again and again while it was indexed", "index it again")
        self._progress.failed([file_failure(path, taken) for path in paths])

    def finish(self, one: Round) -> None:
        """What is left to do when its work is done."""
        found = one.found
        self._add_exif(found.without_exif)
        self._note_missing(one)
        if self._prunes:
            self._library.remove(self._missing.values())
            self._counts["pruned"] = len(self._missing)
            self._missing = {}
        self._report["missing"] = _told(list(self._missing.values()))
        if one.is_whole:
            self._note_roots(one)
        self._open = set()
        self._say()
        self._progress.write()

    def _look(self, changed: frozenset[str] | None) -> Round:
        """changed: paths to look at; None for all."""
        self._number += 1
        listing = list_images(self._paths, self._exclude, only=changed, roots=self._roots, found=self._progress.found)
        known = known_files(listing, self._library) if changed is None else known_at(changed, self._library)
        found = compare(listing, self._library, known, threads=self._threads, keeps_ids=self._id_from != "sha256")
        if changed is None:
            self._report |= listing.left_out.as_json()
            away = sorted({*found.unreachable, *listing.not_found})
            self._report["unreachable"] = [printable(path) for path in away]
            if self._prunes and away:
                raise Unavailable(
                    f"{printable(away[0])} cannot be reached, so that nobody can tell which of its files are gone",
                    "nothing was removed: mount its drive, or index without pruning",
                )
        self._tell(found)
        new, failures = ids_of_new(found.new, self._id_from, self._library.holders, _former_ids(found))
        unreachable = [_unreachable(folder, count) for folder, count in found.unreachable.items()]
        adopted = [one for one in new if one.adopted]
        self._library.adopt((str(one.id), one.file.source, str(one.adopted)) for one in adopted)
        others = [one for one in new if not one.adopted]
        skipped = [one.file for one in others if one.has_upload] if self._skips else []
        work: Work = [(one.id, one.file.source) for one in others if not (self._skips and one.has_upload)]
        found.unchanged += [one.file for one in adopted]
        if self._skips:
            skipped += [file for _, file in found.changed]
        else:
            work += [(own.id, file.source) for own, file in found.changed]
        again = _tried_again(self._progress.failing, changed)
        self._count(listing, found, work, [*listing.failures, *failures, *unreachable], skipped, again)
        return Round(self._number, listing, found, work, changed is None)

    def _tell(self, found: Comparison) -> None:
        """What needs no work is told at once, so that a picture that has moved is never shown where it was.

        What is gone comes first: a job that is killed in between leaves no two pictures with one file.
        """
        library = self._library
        library.update([(file, source_of(file)) for file in found.gone], missing=True)
        library.update([*found.moved, *found.settled])
        # A file that changed is told by its real path; older rows may have another one.
        renamed = [(own, file) for own, file in found.changed if own.path != file.source.path]
        library.update((own, SourceFile(file.source.path, own.size, own.mtime_ns)) for own, file in renamed)
        library.move_removals(found.moved_marks)
        library.lift_removals(found.lifted)
        self._counts["moved"] += len(found.moved)
        self._counts["kept_out"] = max(self._counts["kept_out"], found.kept_out)

    def _count(
        self,
        listing: Listing,
        found: Comparison,
        work: Work,
        failures: Sequence[JobFailure],
        skipped: Sequence[ListedFile],
        again: frozenset[str],
    ) -> None:
        """Files, not events: one that is looked at again, or under another name, is counted once.

        again: files that failed before, which are counted as what they are now; not at all where they are gone.
        """
        listed = {file.source.path for file in listing.files}
        gone = again - listed - {failure.path for failure in failures}
        told = [one for one in failures if one.path in listed or one.path in again or one.path not in self._seen]
        to_do = {source.path for _, source in work} | {failure.path for failure in told}
        fresh = (listed | to_do) - self._seen
        open_before = self._open & listed
        renamed = {known.path for known, _ in found.moved} & (self._seen - listed)
        self._seen = (self._seen - renamed - gone) | fresh
        self._say()
        self._progress.tried_again(again)
        ready = len((fresh | open_before) - to_do) - len(to_do - fresh - open_before)
        self._progress.start(
            len(self._seen),
            done=ready - len(renamed) - len(gone),
            unchanged=sum(file.source.path in fresh for file in found.unchanged),
            skipped=sum(file.source.path in fresh for file in skipped),
            failures=told,
        )
        self._open = to_do

    def _note_missing(self, one: Round) -> None:
        back = {known.id for known, _ in (*one.found.moved, *one.found.settled)}
        known = [] if one.is_whole else [file for file in self._missing.values() if file.id not in back]
        self._missing = {file.id: file for file in (*known, *one.found.missing, *one.found.gone)}

    def _add_exif(self, files: Sequence[KnownFile]) -> None:
        """To rows that were stored before anybody looked for it."""
        with ThreadPoolExecutor(self._threads) as threads:
            for first in range(0, len(files), EXIF_AT_ONCE):
                part = files[first : first + EXIF_AT_ONCE]
                read = zip(part, threads.map(lambda file: _exif_of(file.path), part), strict=True)
                self._library.add_exif((file, exif) for file, exif in read if exif is not None)

    def _note_roots(self, one: Round) -> None:
        now = time.time()
        how = (self._id_from, self._on_conflict, tuple(self._exclude))
        self._library.note_scans(
            [
                Root(folder, *how, dict(passed_over), now, self._watches)
                for folder, passed_over in one.listing.folders.items()
                if folder not in one.found.unreachable
            ]
        )

    def _say(self) -> None:
        self._progress.say({**self._report, **self._counts})


def _tried_again(failing: frozenset[str], changed: frozenset[str] | None) -> frozenset[str]:
    """Of files that could not be taken those at, or below, one of the paths; all of them for None."""
    if changed is None:
        return failing
    return frozenset(path for path in failing if not changed.isdisjoint((path, *map(str, Path(path).parents))))


def _former_ids(found: Comparison) -> dict[str, str]:
    """Of files that were kept out and come back: by path."""
    return {file.path: file.id for file in found.lifted}


def _exif_of(path: str) -> Exif | None:
    try:
        return read_exif(Path(path).read_bytes())
    except OSError:
        return None


def _told(files: Sequence[KnownFile]) -> dict[str, Any]:
    """For the record of a job, which stays small."""
    return {"count": len(files), "examples": sorted(printable(file.path) for file in files)[:EXAMPLES]}


def _unreachable(folder: str, count: int) -> JobFailure:
    reason = f"the folder is empty, and {count} pictures are known from it: is its drive there?"
    return JobFailure(printable(folder), "folder_empty", reason)

"""What the shards know of files, asked of all of them at once, and what they are told of them."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from graph.jobs.running.fleet_shards import ShardCalls
from storage.operations.roots import NoteScans, Roots
from storage.operations.sources import (
    FilesAt,
    FilesBelow,
    FilesOfContents,
    HeldSizes,
    IdHolders,
    LiftRemovals,
    MoveRemovals,
)
from storage.shard.operation import Operation
from storage.shard.placement import shard_of
from storage.types.library import IdHolder, KnownFile, Root
from storage.types.mutations import DeleteImage, Mutation, UpdateSource
from storage.types.pictures import Exif, SourceFile

ASKED_AT_ONCE = 5_000
WRITTEN_AT_ONCE = 500

T = TypeVar("T")
Part = TypeVar("Part")


class Library:
    """The collection as folders see it."""

    def __init__(self, shards: ShardCalls) -> None:
        self._shards = shards

    def below(self, folder: str) -> Iterator[KnownFile]:
        """Known files in the folder, at any depth."""
        for shard in range(self._shards.count):
            start: bytes | None = b""
            while start is not None:
                files, start = self._shards.ask_patiently(shard, FilesBelow(folder, start, ASKED_AT_ONCE))
                yield from files

    def at(self, paths: Iterable[str]) -> list[KnownFile]:
        """Known files at these very paths."""
        return self._ask(paths, FilesAt)

    def held_sizes(self, sizes: Iterable[int]) -> set[int]:
        """Those of the sizes that a known file has."""
        return set(self._ask(sizes, HeldSizes))

    def of_contents(self, contents: Iterable[tuple[int, str]]) -> list[KnownFile]:
        """Known files with these (bytes, SHA-256)."""
        return self._ask(contents, FilesOfContents)

    def holders(self, ids: Sequence[str]) -> dict[str, IdHolder]:
        """Whose the ids are; those that are free are left out."""
        found: dict[str, IdHolder] = {}
        for shard, mine in self._by_shard(ids, str).items():
            for part in _parts(mine, ASKED_AT_ONCE):
                holders = self._shards.ask_patiently(shard, IdHolders(part))
                found |= {one: holder for one, holder in zip(part, holders, strict=True) if holder is not None}
        return found

    def roots(self) -> list[Root]:
        return self._shards.ask_patiently(0, Roots())

    def note_scans(self, roots: Sequence[Root]) -> None:
        self._shards.ask_patiently(0, NoteScans(tuple(roots)))

    def update(self, files: Iterable[tuple[KnownFile, SourceFile]], *, missing: bool = False) -> None:
        """Their pictures' files are these now."""
        self._apply(UpdateSource(uuid.uuid4().hex, file.id, file.sha256, source, missing) for file, source in files)

    def adopt(self, uploads: Iterable[tuple[str, SourceFile, str]]) -> None:
        """Uploads (id, file, SHA-256) that are these very files: they come from them from now on."""
        self._apply(UpdateSource(uuid.uuid4().hex, image_id, sha256, file) for image_id, file, sha256 in uploads)

    def add_exif(self, files: Iterable[tuple[KnownFile, Exif]]) -> None:
        self._apply(
            UpdateSource(uuid.uuid4().hex, file.id, file.sha256, source_of(file), exif=exif) for file, exif in files
        )

    def remove(self, files: Iterable[KnownFile]) -> None:
        """Their pictures, whose files are gone."""
        self._apply(DeleteImage(uuid.uuid4().hex, file.id) for file in files)

    def move_removals(self, files: Sequence[KnownFile]) -> None:
        """The files that are kept out under these ids are these by now."""
        for shard, mine in self._by_shard(files, lambda file: file.id).items():
            self._shards.ask_patiently(shard, MoveRemovals(tuple(mine)))

    def lift_removals(self, files: Sequence[KnownFile]) -> None:
        for shard, mine in self._by_shard(files, lambda file: file.id).items():
            self._shards.ask_patiently(shard, LiftRemovals(tuple(mine)))

    def _apply(self, mutations: Iterable[UpdateSource | DeleteImage]) -> None:
        for shard, mine in self._by_shard(mutations, lambda mutation: mutation.id).items():
            for part in _parts(mine, WRITTEN_AT_ONCE):
                told: tuple[Mutation, ...] = part
                self._shards.apply_patiently(shard, told)

    def _ask(self, asked: Iterable[Part], question: Callable[[tuple[Part, ...]], Operation[list[T]]]) -> list[T]:
        return [
            answer
            for part in _parts(asked, ASKED_AT_ONCE)
            for answers in self._shards.ask_each(question(part))
            for answer in answers
        ]

    def _by_shard(self, items: Iterable[T], id_of: Callable[[T], str]) -> dict[int, list[T]]:
        found: dict[int, list[T]] = defaultdict(list)
        for item in items:
            found[shard_of(id_of(item), self._shards.count)].append(item)
        return found


def source_of(file: KnownFile) -> SourceFile:
    return SourceFile(file.path, file.size, file.mtime_ns)


def _parts(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    iterator = iter(items)
    while part := tuple(islice(iterator, size)):
        yield part

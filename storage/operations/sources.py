"""Questions about the files that pictures were indexed from."""

from __future__ import annotations

from dataclasses import dataclass

from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation
from storage.tables import sources
from storage.types.library import FileState, IdHolder, KnownFile


@dataclass(frozen=True, slots=True)
class FilesBelow(Operation[tuple[list[KnownFile], bytes | None]]):
    """Up to ``limit`` known files in the folder, at any depth, and the ``start`` of the next page; None at the end."""

    folder: str
    start: bytes
    limit: int

    def run(self, shard: OpenShard) -> tuple[list[KnownFile], bytes | None]:
        with shard.store.read() as transaction:
            return sources.files_below(transaction, self.folder, self.start, self.limit)


@dataclass(frozen=True, slots=True)
class FilesAt(Operation[list[KnownFile]]):
    """What is known of the files at these very paths."""

    paths: tuple[str, ...]

    def run(self, shard: OpenShard) -> list[KnownFile]:
        with shard.store.read() as transaction:
            return sources.files_at(transaction, self.paths)


@dataclass(frozen=True, slots=True)
class CountBelow(Operation[dict[FileState, int]]):
    """How many files of each state are known in the folder, at any depth."""

    folder: str

    def run(self, shard: OpenShard) -> dict[FileState, int]:
        with shard.store.read() as transaction:
            return sources.count_below(transaction, self.folder)


@dataclass(frozen=True, slots=True)
class HeldSizes(Operation[list[int]]):
    """Those of the sizes, in bytes, that a known file has."""

    sizes: tuple[int, ...]

    def run(self, shard: OpenShard) -> list[int]:
        with shard.store.read() as transaction:
            return sources.held_sizes(transaction, self.sizes)


@dataclass(frozen=True, slots=True)
class FilesOfContents(Operation[list[KnownFile]]):
    """Known files with these (bytes, SHA-256 in hex)."""

    contents: tuple[tuple[int, str], ...]

    def run(self, shard: OpenShard) -> list[KnownFile]:
        with shard.store.read() as transaction:
            return sources.files_of_contents(transaction, self.contents)


@dataclass(frozen=True, slots=True)
class IdHolders(Operation[list[IdHolder | None]]):
    """Whose each id is; None where it is free."""

    ids: tuple[str, ...]

    def run(self, shard: OpenShard) -> list[IdHolder | None]:
        with shard.store.read() as transaction:
            return [sources.id_holder(transaction, image_id) for image_id in self.ids]


@dataclass(frozen=True, slots=True)
class MoveRemovals(Operation[None], group="write"):
    """The files that are kept out under these ids are these by now."""

    files: tuple[KnownFile, ...]

    def run(self, shard: OpenShard) -> None:
        shard.live.write(lambda transaction: sources.move_removals(transaction, self.files))


@dataclass(frozen=True, slots=True)
class LiftRemovals(Operation[int], group="write"):
    """These files may come back; how many of them were kept out."""

    files: tuple[KnownFile, ...]

    def run(self, shard: OpenShard) -> int:
        return shard.live.write(
            lambda transaction: sum(sources.lift_removal(transaction, file.id, file.path) for file in self.files)
        )

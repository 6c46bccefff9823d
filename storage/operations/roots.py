"""The folders that were indexed, which the first shard of a collection keeps."""

from __future__ import annotations

from dataclasses import dataclass

from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation
from storage.tables import roots
from storage.types.library import Root


@dataclass(frozen=True, slots=True)
class Roots(Operation[list[Root]], group="control"):
    """By path."""

    def run(self, shard: OpenShard) -> list[Root]:
        with shard.store.read() as transaction:
            return roots.all_roots(transaction)


@dataclass(frozen=True, slots=True)
class NoteScans(Operation[None], group="write"):
    """The folders were looked through, just now. One that was watched still is."""

    roots: tuple[Root, ...]

    def run(self, shard: OpenShard) -> None:
        shard.live.write(lambda transaction: roots.note_scans(transaction, self.roots))


@dataclass(frozen=True, slots=True)
class WatchRoot(Operation[bool], group="write"):
    """Whether the folder is known, which is watched from now on, or no longer."""

    path: str
    watched: bool

    def run(self, shard: OpenShard) -> bool:
        return shard.live.write(lambda transaction: roots.watch_root(transaction, self.path, watched=self.watched))


@dataclass(frozen=True, slots=True)
class ForgetRoot(Operation[bool], group="write"):
    """Whether the folder was known. Its pictures stay."""

    path: str

    def run(self, shard: OpenShard) -> bool:
        return shard.live.write(lambda transaction: roots.forget_root(transaction, self.path))

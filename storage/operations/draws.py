"""Pictures drawn by chance."""

from __future__ import annotations

from dataclasses import dataclass

from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation
from storage.tables import reads
from storage.types.pictures import ImageRecord


@dataclass(frozen=True, slots=True)
class Draw(Operation[list[tuple[bytes, ImageRecord]]], group="upkeep"):
    """Up to ``count`` rows, each behind its place: those of all shards in the order of their places are drawn from the
    whole collection. The same seed draws the same pictures.
    """

    seed: int
    count: int

    def run(self, shard: OpenShard) -> list[tuple[bytes, ImageRecord]]:
        with shard.store.read() as transaction:
            return reads.drawn(transaction, self.seed, self.count, shard.moment.versions)

"""What was decided of pairs of duplicates, which the first shard of a collection keeps."""

from __future__ import annotations

from dataclasses import dataclass

from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation
from storage.tables import decisions
from storage.types.decisions import Decision


@dataclass(frozen=True, slots=True)
class Decisions(Operation[list[Decision]]):
    """The oldest first."""

    def run(self, shard: OpenShard) -> list[Decision]:
        with shard.store.read() as transaction:
            return decisions.all_decisions(transaction)


@dataclass(frozen=True, slots=True)
class PutDecision(Operation[None], group="write"):
    """In the place of one of the same id."""

    decision: Decision

    def run(self, shard: OpenShard) -> None:
        shard.live.write(lambda transaction: decisions.put_decision(transaction, self.decision))


@dataclass(frozen=True, slots=True)
class TakeBackDecision(Operation[bool], group="write"):
    """Whether there was one."""

    id: str

    def run(self, shard: OpenShard) -> bool:
        return shard.live.write(lambda transaction: decisions.take_back(transaction, self.id))

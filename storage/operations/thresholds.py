"""What a collection asks of a match, which its first shard keeps."""

from __future__ import annotations

from dataclasses import dataclass

from lookalike_client.job_answers import Thresholds
from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation
from storage.tables import thresholds


@dataclass(frozen=True, slots=True)
class PutThresholds(Operation[None], group="write"):
    """None: what the package comes with is in force again."""

    thresholds: Thresholds | None

    def run(self, shard: OpenShard) -> None:
        shard.live.write(lambda transaction: thresholds.put_thresholds(transaction, self.thresholds))


@dataclass(frozen=True, slots=True)
class FindThresholds(Operation[Thresholds | None], group="control"):
    """None where none were stored."""

    def run(self, shard: OpenShard) -> Thresholds | None:
        with shard.store.read() as transaction:
            return thresholds.thresholds_of(transaction)

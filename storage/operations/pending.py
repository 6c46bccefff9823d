"""Questions for the pictures that wait for features or annotations.

wanted: features with the fingerprint of a model, annotations with an empty one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation
from storage.tables import pending
from storage.types.pictures import PendingPage


@dataclass(frozen=True, slots=True)
class PendingPictures(Operation[PendingPage], group="control"):
    """Pictures that wait for any of these and whose bytes can still be had, oldest first, from ``start`` on: 0, then
    the last page's ``next_start``.
    """

    wanted: Mapping[str, str]
    start: int
    limit: int

    def run(self, shard: OpenShard) -> PendingPage:
        with shard.read() as (transaction, moment):
            wanted = pending.waiting_keys(moment.versions, self.wanted)
            return pending.pending_page(transaction, moment.versions, wanted, self.start, self.limit)


@dataclass(frozen=True, slots=True)
class CountPending(Operation[int], group="upkeep"):
    """How many pictures wait for any of these and can be filled."""

    wanted: Mapping[str, str]

    def run(self, shard: OpenShard) -> int:
        with shard.read() as (transaction, moment):
            return pending.count_pending(transaction, pending.waiting_keys(moment.versions, self.wanted))


@dataclass(frozen=True, slots=True)
class PendingWithoutFile(Operation[list[str]], group="upkeep"):
    """Ids of pictures that wait likewise, but whose bytes cannot be had any more."""

    wanted: Mapping[str, str]
    limit: int

    def run(self, shard: OpenShard) -> list[str]:
        with shard.read() as (transaction, moment):
            return pending.pending_without_file(
                transaction, pending.waiting_keys(moment.versions, self.wanted), self.limit
            )

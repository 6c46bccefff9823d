"""Questions for the process that a shard runs in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation, ThreadGroup


@dataclass(frozen=True, slots=True)
class SearchAddress(Operation[str]):
    """Where processes of this machine may search the shard past its actor; empty where they cannot."""

    group: ClassVar[ThreadGroup] = "control"

    def run(self, shard: OpenShard) -> str:
        return shard.search_address

"""What an indexing job is told, file by file, and what it says of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from graph.jobs.indexing.worker_parts import Adopts
from storage.errors import LookalikeError
from storage.types.mutations import Mutation, MutationResult, OnConflict
from storage.types.pictures import SourceFile

ImageFile = tuple[str | None, SourceFile]  # the id, or None for the SHA-256 of the contents; the file


class ShardWriter(Adopts, Protocol):
    """Where a worker writes. Raises ShardUnavailable while the shard restarts."""

    def apply(self, shard: int, mutations: Sequence[Mutation]) -> Sequence[MutationResult | LookalikeError]: ...

    def holds(self, shard: int, image_id: str, sha256: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """What a worker is told. annotators: those whose words are kept with the pictures."""

    job_id: str
    shard_count: int
    extractors: Mapping[str, Mapping[str, Any]]
    max_pixels: int
    on_conflict: OnConflict
    annotators: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

"""What the catalogue is asked and what it answers: the inside twins of the HTTP schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from storage.types.mutations import OnConflict, Outcome
from storage.types.pictures import ImageRecord

PartStatus = Literal["ok", "unavailable", "timeout", "error", "no_match", "pending"]


@dataclass(frozen=True, slots=True)
class AddRequest:
    """id: None lets the service choose (the SHA-256 of the bytes). operation_id: a retry with the same one is a no-
    op.
    """

    image: bytes
    id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    on_conflict: OnConflict = "error"
    operation_id: str | None = None


@dataclass(frozen=True, slots=True)
class AddFeaturesRequest:
    """Single features of a picture that may be stored already, with others."""

    image: bytes
    id: str
    features: tuple[str, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    operation_id: str | None = None


@dataclass(frozen=True, slots=True)
class AddAnswer:
    outcome: Outcome  # created, replaced, skipped, or filled: of single features
    record: ImageRecord


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One or more of image, id and text. text_not: sentences to keep away from. features: None asks all that can
    answer. timeout_s: None takes the configured deadline.
    """

    image: bytes | None = None
    id: str | None = None
    text: str | None = None
    text_not: tuple[str, ...] = ()
    features: tuple[str, ...] | None = None
    k: int = 20
    weights: Mapping[str, float] = field(default_factory=dict)
    max_distance: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """matches: by feature, the evidence: ``rank`` (from 1; equal distances share one), ``distance``, and what the
    feature adds.
    """

    id: str
    score: float
    matches: Mapping[str, Mapping[str, Any]]
    metadata: Mapping[str, Any]
    width: int
    height: int
    annotations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartReport:
    """How one feature fared in a search. took_ms: extraction plus the slowest shard. reason: why it is not "ok", or
    what it left out.
    """

    status: PartStatus
    took_ms: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    results: tuple[SearchResult, ...]
    features: Mapping[str, PartReport]
    partial: bool
    missing_shards: tuple[int, ...]
    took_ms: float


@dataclass(frozen=True, slots=True)
class ImagePage:
    images: tuple[ImageRecord, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class ShardTraining:
    """What became of one shard's index. reason: why it was not trained; empty where it was."""

    shard: int
    rows: int = 0
    lists: int = 0
    took_s: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TrainingAnswer:
    """shards: all of them, by number."""

    feature: str
    shards: tuple[ShardTraining, ...]


@dataclass(frozen=True, slots=True)
class Readiness:
    """missing: what keeps the service from answering, one line each."""

    ready: bool
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeatureReport:
    """One line of ``/v1/features``. role: "extractor" or "annotator". next_version: of the model that is to take over,
    while its index is built beside the one in use.
    """

    name: str
    role: str
    state: str
    reason: str
    model: str | None
    version: str | None
    kind: str | None
    dim: int | None
    metric: str | None
    index_kind: str | None
    replicas: int
    next_version: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceStats:
    """bytes: on disk and in memory. pending: images waiting for a feature, by feature. missing_shards: not counted in
    the rest.
    """

    images: int
    disk_bytes: int
    memory_bytes: int
    pending: Mapping[str, int]
    shards: tuple[Mapping[str, Any], ...]
    missing_shards: tuple[int, ...]

"""What the service answers, as a client sees it: the field names are those of the JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from graph.client.annotations import HasAnnotations


@dataclass(frozen=True, slots=True)
class AddedImage:
    """A stored picture. features: by feature "ok", "pending", or "absent": not to be computed. outcome: created,
    replaced or skipped.
    """

    id: str
    width: int
    height: int
    sha256: str
    features: Mapping[str, str]
    outcome: str = "created"

    @property
    def created(self) -> bool:
        """Whether the id was free."""
        return self.outcome == "created"


@dataclass(frozen=True, slots=True)
class ImageRow(HasAnnotations):
    """A stored picture's row.

    width, height: pixels, EXIF orientation applied; 0 where it was imported without its file. byte_size: of the file.
    path: where it was indexed from, on the service's machine. features: as of an `AddedImage`. annotations: by
    annotator, what it said of the picture; ``tags`` and ``caption`` give them typed.
    """

    id: str
    width: int
    height: int
    sha256: str
    features: Mapping[str, str]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    format: str = ""
    byte_size: int | None = None
    added_at: datetime | None = None
    path: str | None = None
    annotations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImagePage:
    """next_cursor: what asks for the following page; None on the last one."""

    images: tuple[ImageRow, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class SearchResult(HasAnnotations):
    """matches: by feature, the evidence: ``rank`` (from 1), ``distance`` or ``inliers``, and what the feature adds.
    annotations: as of an `ImageRow`.
    """

    id: str
    score: float
    matches: Mapping[str, Mapping[str, Any]]
    width: int
    height: int
    metadata: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartReport:
    """How one feature fared in a search. reason: why it is not "ok", or what it left out."""

    status: str
    took_ms: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """results: best first. partial: some feature or shard did not answer, so pictures may be missing."""

    results: tuple[SearchResult, ...]
    features: Mapping[str, PartReport]
    partial: bool = False
    missing_shards: tuple[int, ...] = ()
    took_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class FeatureReport:
    """role: extractor or annotator. state: ready, loading or unavailable (then reason says why). next_version: of the
    model that is to take over, while its index is built beside the one in use.
    """

    name: str
    state: str
    reason: str = ""
    model: str | None = None
    version: str | None = None
    kind: str | None = None
    dim: int | None = None
    metric: str | None = None
    index_kind: str | None = None
    replicas: int = 0
    role: str = "extractor"
    next_version: str | None = None


@dataclass(frozen=True, slots=True)
class ShardUsage:
    shard: int
    images: int
    disk_bytes: int = 0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ServiceStats:
    """pending: images waiting for a feature, by feature. missing_shards: down for now, so not counted in the rest."""

    images: int
    disk_bytes: int
    memory_bytes: int
    pending: Mapping[str, int]
    shards: tuple[ShardUsage, ...]
    missing_shards: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Readiness:
    """missing: what keeps the service from answering, one line each."""

    ready: bool
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShardCheck:
    """problems: one line each; empty means that the shard's store and its indexes agree."""

    shard: int
    images: int
    checked_rows: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    ok: bool
    shards: tuple[ShardCheck, ...]


@dataclass(frozen=True, slots=True)
class ShardTraining:
    """rows: that the shard's trained index holds. lists: that they are sorted into. reason: why it was not trained;
    empty where it was.
    """

    shard: int
    rows: int = 0
    lists: int = 0
    took_s: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Training:
    feature: str
    shards: tuple[ShardTraining, ...]

"""What the catalogue is asked and what it answers. An answer that is the same over HTTP is the client's own class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lookalike_client.answers import (
    FeatureReport,
    PartReport,
    PartStatus,
    Readiness,
    SearchAnswer,
    SearchResult,
    ShardTraining,
)
from lookalike_client.answers import Training as TrainingAnswer
from lookalike_client.job_answers import LibraryRoot, Thresholds
from lookalike_client.matches import Relevance
from storage.encoding import keys
from storage.types.filters import Filter
from storage.types.listings import Sort
from storage.types.mutations import OnConflict, Outcome
from storage.types.pictures import ImageRecord

Combine = Literal["mean", "all"]

__all__ = [
    "AddAnswer",
    "AddFeaturesRequest",
    "AddRequest",
    "Combine",
    "CompareRequest",
    "FeatureReport",
    "ImagePage",
    "LibraryRoot",
    "ListRequest",
    "PartReport",
    "PartStatus",
    "Readiness",
    "Relevance",
    "SearchAnswer",
    "SearchRequest",
    "SearchResult",
    "ServiceStats",
    "ShardTraining",
    "TrainingAnswer",
    "check_image_id",
]


def check_image_id(image_id: str) -> str:
    """Gives the id back. Raises InvalidField for one that the store would refuse."""
    keys.check_image_id(image_id)
    return image_id


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
    """One or more of images, ids and text. combine: whether pictures near to all of these together are wanted, or near
    to each. text_not: sentences to keep away from. features: None asks all that can answer. filter: which pictures may
    be found; None: all that are not missing. distinct: of pictures that are the same only the best. cursor: of the page
    before. relevance: which relations may come. explain: whether results say what theirs follows from. timeout_s: None
    takes the configured deadline. is_judged: false where results are wanted as they rank. least_confidence: of strong
    relations; None takes that of the collection.
    """

    images: tuple[bytes, ...] = ()
    ids: tuple[str, ...] = ()
    combine: Combine = "mean"
    text: str | None = None
    text_not: tuple[str, ...] = ()
    features: tuple[str, ...] | None = None
    k: int = 20
    weights: Mapping[str, float] = field(default_factory=dict)
    max_distance: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    filter: Filter | None = None
    distinct: bool = False
    cursor: str | None = None
    relevance: Relevance = "all"
    explain: bool = False
    timeout_s: float | None = None
    is_judged: bool = True
    least_confidence: float | None = None


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """Two pictures, each either bytes or the id of a stored one; ``a`` is the query."""

    a: bytes | None = None
    a_id: str | None = None
    b: bytes | None = None
    b_id: str | None = None
    explain: bool = False


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A page of the pictures that a filter means; None: of all that are not missing. cursor: of the page before."""

    filter: Filter | None = None
    sort: Sort = field(default_factory=Sort)
    cursor: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class ImagePage:
    images: tuple[ImageRecord, ...]
    next_cursor: str | None


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
    thresholds: Thresholds | None = None

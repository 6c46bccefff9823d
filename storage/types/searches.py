"""What is asked of a shard in a search, and what it answers: named tuples where a search makes many."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from storage.types.features import FeatureRows, Vectors
from storage.types.filters import Filter
from storage.types.pictures import Exif, ImageRecord

NO_EVIDENCE: Mapping[str, Any] = {}
NO_EXIF = Exif()


@dataclass(frozen=True, slots=True, eq=False)
class FeatureQuery:
    """One feature's part of a search.

    rows: (V, D) views of the query; a hit's distance is the smallest over them. Of a local feature: its keypoints.
    k: hits wanted. max_distance: hits farther away are left out. params: the feature's own search parameters.
    extras: arrays that belong to the rows, such as keypoint positions.
    fingerprint: of what computed the rows; empty where that can only be the one in use.
    others: further pictures that a hit is to be near to; its distance is then the largest over all of them.
    with_pairs: of a local feature: whether hits say which keypoints agree.
    """

    feature: str
    rows: Vectors
    k: int
    max_distance: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    fingerprint: str = ""
    others: tuple[FeatureRows, ...] = ()
    with_pairs: bool = False


@dataclass(frozen=True, slots=True)
class ShardQuery:
    """All features of one search, asked of a shard at once. filter: which pictures may be found; None: all that are
    not missing.
    """

    features: tuple[FeatureQuery, ...]
    filter: Filter | None = None


class Hit(NamedTuple):
    """A picture that one feature found. view: which of the query's rows it matched (0 is the picture as given)."""

    id: str
    distance: float
    view: int = 0
    evidence: Mapping[str, Any] = NO_EVIDENCE


class ImageSummary(NamedTuple):
    """What a result shows of a picture without asking for it again. path: None of an upload."""

    width: int
    height: int
    sha256: str
    metadata: Mapping[str, Any]
    annotations: Mapping[str, Any] = NO_EVIDENCE
    path: str | None = None
    byte_size: int = 0
    taken_at: str | None = None
    camera: str | None = None
    gps: tuple[float, float] | None = None
    missing: bool = False

    @classmethod
    def of(cls, record: ImageRecord) -> Self:
        exif = record.exif or NO_EXIF
        return cls(
            record.width,
            record.height,
            record.sha256,
            record.metadata,
            record.annotations,
            None if record.source is None else record.source.path,
            record.byte_size,
            exif.taken_at,
            exif.camera,
            exif.gps,
            record.missing,
        )


@dataclass(frozen=True, slots=True, eq=False)
class SampledDistances:
    """How far a shard's pictures are from a query by one feature.

    distances: (S,) ascending, to a sample that is uniform over its ``pictures``, whatever the filter; or to all of
    them. None where the feature finds some pictures and measures nothing of the others: keypoints and words.
    """

    distances: NDArray[np.float32] | None
    pictures: int


@dataclass(frozen=True, slots=True)
class ShardAnswer:
    """hits: by feature, nearest first. errors: features that this shard could not search, and why. samples: by feature,
    of those that it did search.
    """

    hits: Mapping[str, tuple[Hit, ...]]
    summaries: Mapping[str, ImageSummary]
    took_ms: Mapping[str, float]
    errors: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[str, SampledDistances] = field(default_factory=dict)

    def without(self, features: Collection[str]) -> ShardAnswer:
        """Without what these found."""
        hits = {name: own for name, own in self.hits.items() if name not in features}
        samples = {name: own for name, own in self.samples.items() if name not in features}
        return replace(self, hits=hits, samples=samples)

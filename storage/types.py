"""The values that cross the seams of the program: ids, pictures' rows, features, queries, hits.

Plain frozen dataclasses over numpy arrays, and named tuples where a search makes many. Nothing here imports anything
of ours, so every layer may.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatVectors = NDArray[np.float32]  # (N, D)
BinaryVectors = NDArray[np.uint8]  # (N, D / 8), most significant bit first
Vectors = FloatVectors | BinaryVectors
Handles = NDArray[np.int64]  # (N,) a shard's own number of a stored picture; never reused

FeatureKind = Literal["binary", "dense", "local", "words"]
Metric = Literal["hamming", "l1", "cosine", "inliers", "words"]
FeatureState = Literal["ok", "pending", "absent"]
GenerationRole = Literal["in_use", "following", "replaced"]
OnConflict = Literal["error", "skip", "replace"]
Outcome = Literal["created", "replaced", "skipped", "conflict", "deleted", "absent", "filled"]
NO_EVIDENCE: Mapping[str, Any] = {}
FILE_NAME = "file_name"  # key in a picture's metadata


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """What a feature is: enough to build its index and to refuse one that another model wrote.

    dim: bits for a binary feature, bytes of a word (see `storage.words`), numbers otherwise; those of a local feature
    are kept in 4 bits each.
    fingerprint: changes whenever the same picture would give other vectors (method, version, decode path, weights).
    """

    name: str
    kind: FeatureKind
    dim: int
    metric: Metric
    fingerprint: str


@dataclass(frozen=True, slots=True, eq=False)
class FeatureRows:
    """One picture's feature.

    rows: (R, D) what the index holds for the picture; one row for a global descriptor, many for keypoints.
    query_rows: (V, D) what a search by stored id asks with, where that differs from ``rows`` (for a hash: its views).
    extras: arrays kept beside the rows, such as keypoint positions.
    fingerprint: of the `FeatureSpec` they were computed by; empty where that can only be the one in use.
    """

    rows: Vectors
    query_rows: Vectors | None = None
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The file a picture was indexed from, as it was then."""

    path: str
    size: int  # bytes
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """A stored picture's row.

    width, height: pixels, EXIF orientation applied. sha256: of the file's bytes, hex. added_at: Unix seconds.
    features: state of every feature and annotation that the service was asked to keep for it. "pending" ones are to be
    computed, "absent" ones are not: the picture came with single features, or lost some.
    annotations: by annotator, what it said of the picture, as JSON.
    """

    id: str
    width: int
    height: int
    sha256: str
    format: str  # "jpeg", "png", ...
    byte_size: int
    added_at: float
    features: Mapping[str, FeatureState]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    source: SourceFile | None = None
    annotations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PutImage:
    """Store a picture. original: its bytes, kept while features are pending, to compute them from; for good by a shard
    that keeps originals.
    """

    operation_id: str
    record: ImageRecord
    features: Mapping[str, FeatureRows]
    thumbnail: bytes  # JPEG
    on_conflict: OnConflict = "error"
    original: bytes | None = None


@dataclass(frozen=True, slots=True)
class DeleteImage:
    operation_id: str
    id: str


@dataclass(frozen=True, slots=True)
class FillFeatures:
    """Add features and annotations that were pending; ignored unless the picture still is the one with this sha256."""

    operation_id: str
    id: str
    sha256: str
    features: Mapping[str, FeatureRows]
    annotations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AddFeatures:
    """Store single features of a picture, whether others of it are there already or not.

    record: as of a `PutImage` where the picture is not stored yet. Where it is, features that are absent or pending are
    added, absent ones that the record has as pending become so, metadata is merged. The outcome is "conflict", and
    nothing changes, where it has one of the features already, or is another picture (sha256). A record without a file
    (width 0, imported) says nothing of that, and takes what a later one says.
    """

    operation_id: str
    record: ImageRecord
    features: Mapping[str, FeatureRows]
    thumbnail: bytes  # JPEG; empty of a picture without a file
    original: bytes | None = None


@dataclass(frozen=True, slots=True)
class RemoveFeatures:
    """Take features from a picture. With the last one goes the picture; without any of them the outcome is "absent"."""

    operation_id: str
    id: str
    features: tuple[str, ...]


Mutation = PutImage | DeleteImage | FillFeatures | AddFeatures | RemoveFeatures


@dataclass(frozen=True, slots=True)
class MutationResult:
    """record: the picture's row after the mutation, or the row that was in the way; None where there is none."""

    outcome: Outcome
    record: ImageRecord | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FeatureQuery:
    """One feature's part of a search.

    rows: (V, D) views of the query; a hit's distance is the smallest over them. Of a local feature: its keypoints.
    k: hits wanted. max_distance: hits farther away are left out. params: the feature's own search parameters.
    extras: arrays that belong to the rows, such as keypoint positions.
    fingerprint: of what computed the rows; empty where that can only be the one in use.
    """

    feature: str
    rows: Vectors
    k: int
    max_distance: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class ShardQuery:
    """All features of one search, asked of a shard at once."""

    features: tuple[FeatureQuery, ...]


class Hit(NamedTuple):
    """A picture that one feature found. view: which of the query's rows it matched (0 is the picture as given)."""

    id: str
    distance: float
    view: int = 0
    evidence: Mapping[str, Any] = NO_EVIDENCE


class ImageSummary(NamedTuple):
    """What a result shows of a picture without asking for it again."""

    width: int
    height: int
    sha256: str
    metadata: Mapping[str, Any]
    annotations: Mapping[str, Any] = NO_EVIDENCE


@dataclass(frozen=True, slots=True)
class ShardAnswer:
    """hits: by feature, nearest first. errors: features that this shard could not search, and why."""

    hits: Mapping[str, tuple[Hit, ...]]
    summaries: Mapping[str, ImageSummary]
    took_ms: Mapping[str, float]
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeatureStats:
    """Of the generation in use. whitening: checksum of the one that its index has; 0 where it has none."""

    images: int
    rows: int
    pending: int
    index_kind: str
    memory_bytes: int
    whitening: int = 0


@dataclass(frozen=True, slots=True)
class FeatureGeneration:
    """One of the models that a feature was computed with, and what the shard has of it.

    spec: under the feature's own name. origin: the options that it was made with. images, pending: with its rows, and
    waiting for them.
    """

    spec: FeatureSpec
    role: GenerationRole
    origin: Mapping[str, Any]
    images: int
    pending: int


@dataclass(frozen=True, slots=True)
class ShardStats:
    """generations: by feature, the one in use first; empty while no model has said what it computes."""

    shard: int
    images: int
    sequence: int
    disk_bytes: int
    features: Mapping[str, FeatureStats]
    generations: Mapping[str, tuple[FeatureGeneration, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """problems: one line each; empty means that the store and every index agree."""

    shard: int
    images: int
    checked_rows: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What training an index came to. rows: that it holds; lists: that they are sorted into."""

    shard: int
    feature: str
    rows: int
    lists: int
    took_s: float


@dataclass(frozen=True, slots=True)
class PendingImage:
    """A picture with features or annotations still to be computed, and where its bytes are: in ``original``, in the
    file ``source``, or, where neither is set, with its shard. One without features asks for nothing.

    fingerprints: of the generations of each feature that wait; none where any model will do.
    """

    id: str
    sha256: str
    features: tuple[str, ...]
    original: bytes | None
    source: SourceFile | None
    fingerprints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PendingPage:
    """next_start: where to go on, even behind an empty page; None at the end."""

    images: tuple[PendingImage, ...]
    next_start: int | None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A batch job's durable progress. state: queued, running, succeeded, failed, stopped.

    Times are Unix seconds. started_at: when work on the first file began; None before. report: what else a kind of job
    has to say, as JSON.
    """

    id: str
    kind: str
    state: str
    submitted_at: float
    updated_at: float
    arguments: Mapping[str, Any]
    total: int = 0
    done: int = 0
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    message: str = ""
    started_at: float | None = None
    report: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobFailure:
    """A file that a job could not take, and why."""

    path: str
    code: str
    reason: str

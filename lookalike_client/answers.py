"""What the service answers, declared once: the client builds these classes from JSON, the service writes JSON by them,
and OpenAPI is made of them.

The field names are those of the JSON, ``Annotated`` says what a field is, ``metadata`` how it stands in JSON where its
type does not say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

from lookalike_client.job_answers import Thresholds
from lookalike_client.matches import PROVEN, STRONG, Explanation, Match, Overlap, Relation, Transform, Verdict

# Keys of a field's metadata.
JSON_NAME = "json_name"  # where it is not that of the field
ALWAYS = "json_type"  # of a field that may be None here, and in JSON is never absent or null
LEFT_OUT = "json_left_out"  # the service leaves it out where it is empty

FeatureState = Literal["ok", "pending", "absent"]
FeatureStates = Annotated[
    Mapping[str, FeatureState],
    "pending: to be computed; absent: not to be, the picture came with single features or lost some",
]
Annotations = Annotated[
    Mapping[str, Any], "by annotator: tags a list of {label, score}, caption a text; empty where there are none"
]
Path = Annotated[str | None, "the file it was indexed from, on the service's machine; null of an upload"]
TakenAt = Annotated[str | None, "ISO 8601 in the camera's own time, with its zone where the file says one"]
Camera = Annotated[str | None, "make and model"]
Gps = Annotated[tuple[float, float] | None, "where it was taken: latitude and longitude in degrees"]
Missing = Annotated[bool, "the file is gone"]
PartStatus = Literal["ok", "unavailable", "timeout", "error", "no_match", "pending", "not_needed"]
BetterBy = Literal["decision", "pixels", "bytes", "format", "age", "path"]


def json_name(declared: Field[Any]) -> str:
    return str(declared.metadata.get(JSON_NAME, declared.name))


@dataclass(frozen=True, slots=True)
class Tag:
    label: str
    score: float


class HasAnnotations:
    """Something with ``annotations``, by annotator as JSON; those of this version's annotators are typed."""

    __slots__ = ()

    annotations: Mapping[str, Any]

    @property
    def tags(self) -> tuple[Tag, ...]:
        """Best first; empty where there are none."""
        return tuple(Tag(tag["label"], tag["score"]) for tag in self.annotations.get("tags", ()))

    @property
    def caption(self) -> str | None:
        return self.annotations.get("caption")


@dataclass(frozen=True, slots=True)
class AddedImage:
    """A stored picture."""

    id: str
    width: Annotated[int, "pixels, EXIF orientation applied"]
    height: Annotated[int, "pixels, EXIF orientation applied"]
    sha256: Annotated[str, "of the file's bytes, hexadecimal"]
    features: FeatureStates
    outcome: Literal["created", "replaced", "skipped"] = "created"

    @property
    def created(self) -> bool:
        """Whether the id was free."""
        return self.outcome == "created"


@dataclass(frozen=True, slots=True)
class ImageRow(HasAnnotations):
    """A stored picture's row. ``tags`` and ``caption`` give its annotations typed."""

    id: str
    width: Annotated[int, "pixels, EXIF orientation applied; 0 where it was imported without its file"]
    height: Annotated[int, "likewise"]
    sha256: Annotated[str, "of the file's bytes, hexadecimal; empty where it was imported without its file"]
    features: FeatureStates
    metadata: Mapping[str, Any] = field(default_factory=dict)
    format: Annotated[str, "jpeg, png, ...; empty where it was imported without its file"] = ""
    byte_size: Annotated[int | None, "size of the file"] = field(default=None, metadata={JSON_NAME: "bytes"})
    added_at: Annotated[datetime | None, "ISO 8601, UTC"] = field(default=None, metadata={ALWAYS: datetime})
    path: Path = None
    annotations: Annotations = field(default_factory=dict)
    taken_at: TakenAt = None
    camera: Camera = None
    orientation: Annotated[int | None, "1 to 8, as EXIF counts them; the picture is shown and searched upright"] = None
    gps: Gps = None
    missing: Missing = False

    @property
    def bytes(self) -> int | None:
        """``byte_size``, by the name that it has everywhere else."""
        return self.byte_size


@dataclass(frozen=True, slots=True)
class ImagePage:
    images: Annotated[tuple[ImageRow, ...], "in the order that was asked for; of their ids unless said"]
    next_cursor: Annotated[str | None, "for the next page; null on the last"]


@dataclass(frozen=True, slots=True)
class DuplicatePicture:
    """One of a group."""

    id: str
    width: Annotated[int, "pixels, EXIF orientation applied; 0 where it was imported without its file"]
    height: Annotated[int, "likewise"]
    byte_size: Annotated[int, "size of the file"]
    sha256: Annotated[str, "of the file's bytes, hexadecimal"]
    path: Path = None
    distance: Annotated[int | None, "bits of 576 that it differs by from the picture that is kept"] = None
    bytes: Annotated[int, "size of the file, under the name that it has everywhere else"] = 0
    format: Annotated[str | None, "jpeg, png, ...; null where a threshold was asked for"] = None
    relation: Annotated[
        Relation | None, "what it is to the picture that is kept; null where a threshold was asked for"
    ] = None
    confidence: Annotated[float | None, "how probably that is right, 0 to 1"] = None
    kept_because: Annotated[
        tuple[BetterBy, ...], "in what the picture that is kept is the better one, what weighs most first"
    ] = ()


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    keep: Annotated[DuplicatePicture, "the one worth keeping: as decided, else by pixels, bytes, format, age, path"]
    duplicates: Annotated[
        tuple[DuplicatePicture, ...], "surest first; where a threshold was asked for those within it, nearest first"
    ]
    left_out: Annotated[int, "further pictures near to keep, that were too many to look at"] = 0
    relation: Annotated[Relation | None, "of all duplicates, or the widest of theirs"] = None
    confidence: Annotated[float | None, "the least of the duplicates'"] = None


@dataclass(frozen=True, slots=True)
class DuplicatePage:
    groups: Annotated[tuple[DuplicateGroup, ...], "may be empty on a page that is not the last"]
    next_cursor: Annotated[str | None, "for the next page; null on the last"]
    looked_at: Annotated[int, "pictures that the page walked over"] = 0
    undecided: Annotated[int, "of these, left alone because it took too long to tell what they are copies of"] = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided of two pictures that may be duplicates."""

    id: str
    a: str
    b: str
    decision: Literal["different", "keep_both", "keep"]
    note: str | None
    decided_at: Annotated[datetime, "ISO 8601, UTC"]


@dataclass(frozen=True, slots=True)
class SearchResult(HasAnnotations):
    """A picture that was found. ``tags`` and ``caption`` give its annotations typed."""

    id: str
    score: Annotated[float, "0 to 1; 1 is first in every feature that was asked"]
    matches: Annotated[
        Mapping[str, Match],
        "by feature, its evidence: distance or inliers, rank (from 1; equal distances share one), "
        "farther (the share of the collection that is; null where a shard did not answer), view, ...",
    ]
    width: int
    height: int
    metadata: Mapping[str, Any] = field(default_factory=dict)
    annotations: Annotations = field(default_factory=dict)
    path: Path = None
    bytes: Annotated[int, "size of the file"] = 0
    taken_at: TakenAt = None
    camera: Camera = None
    gps: Gps = None
    missing: Missing = False
    relation: Annotated[Relation | None, "what it is to the query; null where nothing stands out"] = None
    confidence: Annotated[
        float | None,
        "of a strong relation and of scene: the probability that it is right; null where what tells did not answer",
    ] = None
    because: Annotated[tuple[str, ...], "of similar: the features by which it is"] = ()
    transform: Annotated[Transform | None, "from the stored picture to the query; null where it is not known"] = None
    overlap: Annotated[Overlap | None, "null where it is not known"] = None
    explain: Annotated[Explanation | None, "where it was asked for"] = field(default=None, metadata={LEFT_OUT: True})

    @property
    def is_strong(self) -> bool:
        """Whether its relation is proven, with a confidence of 0.5 or more: what the verdict ``match`` rests on."""
        return self.relation in STRONG and (self.confidence or 0.0) >= PROVEN


@dataclass(frozen=True, slots=True)
class PartReport:
    """How one feature fared in a search. not_needed: it could have changed nothing."""

    status: PartStatus
    took_ms: Annotated[float, "extraction plus the slowest shard"] = 0.0
    reason: Annotated[str, "why it is not ok, or what it left out"] = field(default="", metadata={LEFT_OUT: True})


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    results: Annotated[tuple[SearchResult, ...], "best first"]
    features: Annotated[Mapping[str, PartReport], "how every feature fared"]
    partial: Annotated[bool, "true: something that should have answered did not"] = False
    missing_shards: Annotated[tuple[int, ...], "shards that did not answer; their pictures are not in the results"] = ()
    took_ms: float = 0.0
    next_cursor: Annotated[str | None, "for the next page; null where there is none"] = None
    verdict: Annotated[Verdict, "match: a result is strong; similar: one is scene or similar"] = "none"


@dataclass(frozen=True, slots=True)
class FeatureReport:
    name: str
    state: Annotated[str, "ready, loading or unavailable"]
    reason: Annotated[str, "why it is not ready, and what fixes it"] = ""
    model: str | None = None
    version: Annotated[str | None, "changes when the same picture would give other features"] = None
    kind: Annotated[str | None, "binary, dense or local"] = None
    dim: int | None = None
    metric: str | None = None
    index_kind: str | None = None
    replicas: int = 0
    role: Literal["extractor", "annotator"] = "extractor"
    next_version: Annotated[
        str | None, "of the model that is to take over, while its index is built beside the one in use"
    ] = None


@dataclass(frozen=True, slots=True)
class ShardUsage:
    shard: int
    images: int
    disk_bytes: int = 0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ServiceStats:
    images: int
    disk_bytes: int
    memory_bytes: int
    pending: Annotated[Mapping[str, int], "images that wait for a feature"]
    shards: tuple[ShardUsage, ...]
    missing_shards: Annotated[tuple[int, ...], "shards that did not answer and are not counted"] = ()
    thresholds: Annotated[Thresholds | None, "of an evaluation; null where those of the package are in force"] = None


@dataclass(frozen=True, slots=True)
class Readiness:
    ready: bool
    missing: Annotated[tuple[str, ...], "what keeps the service from answering, one line each"] = ()


@dataclass(frozen=True, slots=True)
class ShardCheck:
    shard: int
    images: int
    checked_rows: int
    problems: Annotated[tuple[str, ...], "one line each; empty: the store and every index agree"]


@dataclass(frozen=True, slots=True)
class Verification:
    ok: bool
    shards: tuple[ShardCheck, ...]


@dataclass(frozen=True, slots=True)
class ShardTraining:
    """What became of one shard's index."""

    shard: int
    rows: Annotated[int, "that the trained index holds; 0 where it was not trained"] = 0
    lists: Annotated[int, "that the rows are sorted into"] = 0
    took_s: float = 0.0
    reason: Annotated[str, "why it was not trained"] = field(default="", metadata={LEFT_OUT: True})


@dataclass(frozen=True, slots=True)
class Training:
    """shards: all of them, by number."""

    feature: str
    shards: tuple[ShardTraining, ...]

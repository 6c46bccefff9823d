"""Answers as OpenAPI describes them. The answers themselves are written by `answers`; a test holds the two together."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Schema(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorDetail(Schema):
    code: str = Field(description="what a program switches on; never changes")
    message: str = Field(description="what went wrong")
    hint: str = Field(description="what to do about it; may be empty")
    request_id: str = Field(description="what the service's log calls this request; also in X-Request-ID")


class ErrorAnswer(Schema):
    """Every answer of 400 and above."""

    error: ErrorDetail


Annotations = dict[str, Any]
ANNOTATIONS = "by annotator: tags a list of {label, score}, caption a text; empty where there are none"
FeatureStates = dict[str, Literal["ok", "pending", "absent"]]
FEATURE_STATES = "pending: to be computed; absent: not to be, the picture came with single features or lost some"


class AddedImage(Schema):
    id: str
    width: int = Field(description="pixels, EXIF orientation applied")
    height: int = Field(description="pixels, EXIF orientation applied")
    sha256: str = Field(description="of the file's bytes, hexadecimal")
    features: FeatureStates = Field(description=FEATURE_STATES)
    outcome: Literal["created", "replaced", "skipped"]


class ImageRow(Schema):
    id: str
    width: int = Field(description="pixels, EXIF orientation applied; 0 where it was imported without its file")
    height: int = Field(description="likewise")
    sha256: str = Field(description="of the file's bytes, hexadecimal; empty where it was imported without its file")
    format: str = Field(description="jpeg, png, ...; likewise")
    bytes: int = Field(description="size of the file")
    added_at: str = Field(description="ISO 8601, UTC")
    features: FeatureStates = Field(description=FEATURE_STATES)
    metadata: dict[str, Any]
    annotations: Annotations = Field(description=ANNOTATIONS)
    path: str | None = Field(description="the file it was indexed from, on the service's machine")


class ImageRows(Schema):
    images: list[ImageRow] = Field(description="in the byte order of their ids")
    next_cursor: str | None = Field(description="for the next page; null on the last")


class KeptPicture(Schema):
    id: str
    width: int = Field(description="pixels, EXIF orientation applied; 0 where it was imported without its file")
    height: int = Field(description="likewise")
    byte_size: int = Field(description="size of the file")
    sha256: str = Field(description="of the file's bytes, hexadecimal")
    path: str | None = Field(description="the file it was indexed from, on the service's machine")


class DuplicatePicture(KeptPicture):
    distance: int = Field(description="bits of 576 that it differs by from the picture that is kept")


class DuplicateGroup(Schema):
    keep: KeptPicture = Field(description="the largest: by pixels, then by bytes, then the one of the smallest id")
    duplicates: list[DuplicatePicture] = Field(description="nearest first; each within the threshold of keep")
    left_out: int = Field(description="further pictures near to keep, that were too many to look at")


class DuplicateGroups(Schema):
    groups: list[DuplicateGroup] = Field(description="may be empty on a page that is not the last")
    next_cursor: str | None = Field(description="for the next page; null on the last")
    looked_at: int = Field(description="pictures that the page walked over")
    undecided: int = Field(description="of these, left alone because it took too long to tell what they are copies of")


class SearchHit(Schema):
    id: str
    score: float = Field(description="0 to 1; 1 is first in every feature that was asked")
    matches: dict[str, dict[str, Any]] = Field(
        description="by feature, its evidence: distance or inliers, rank, view, ..."
    )
    metadata: dict[str, Any]
    annotations: Annotations = Field(description=ANNOTATIONS)
    width: int
    height: int


class FeatureOutcome(Schema):
    status: Literal["ok", "unavailable", "timeout", "error", "no_match", "pending"]
    took_ms: float = Field(description="extraction plus the slowest shard")
    reason: str | None = Field(default=None, description="why it is not ok, or what it left out")


class SearchResults(Schema):
    results: list[SearchHit] = Field(description="best first")
    features: dict[str, FeatureOutcome] = Field(description="how every feature fared")
    partial: bool = Field(description="true: something that should have answered did not")
    missing_shards: list[int] = Field(description="shards that did not answer; their pictures are not in the results")
    took_ms: float


class FeatureInfo(Schema):
    name: str
    role: Literal["extractor", "annotator"]
    state: str = Field(description="ready, loading or unavailable")
    reason: str = Field(description="why it is not ready, and what fixes it")
    model: str | None
    version: str | None = Field(description="changes when the same picture would give other features")
    kind: str | None = Field(description="binary, dense or local")
    dim: int | None
    metric: str | None
    index_kind: str | None
    replicas: int
    next_version: str | None = Field(
        description="of the model that is to take over, while its index is built beside the one in use"
    )


class FeatureList(Schema):
    features: list[FeatureInfo]


class Stats(Schema):
    images: int
    disk_bytes: int
    memory_bytes: int
    pending: dict[str, int] = Field(description="images that wait for a feature")
    shards: list[dict[str, Any]]
    missing_shards: list[int] = Field(description="shards that did not answer and are not counted")


class ShardVerified(Schema):
    shard: int
    images: int
    checked_rows: int
    problems: list[str] = Field(description="empty: the store and every index agree")


class Verified(Schema):
    ok: bool
    shards: list[ShardVerified]


class ShardTrained(Schema):
    shard: int
    rows: int = Field(description="that the trained index holds; 0 where it was not trained")
    lists: int = Field(description="that the rows are sorted into")
    took_s: float
    reason: str | None = Field(default=None, description="why it was not trained")


class Trained(Schema):
    feature: str
    shards: list[ShardTrained]


class Alive(Schema):
    status: Literal["ok"]


class Ready(Schema):
    ready: bool
    missing: list[str] = Field(description="what keeps the service from answering")


class JobRow(Schema):
    id: str
    kind: str = Field(description="index, backfill or import")
    state: str = Field(description="queued, running, succeeded, failed or stopped")
    submitted_at: str = Field(description="ISO 8601, UTC")
    started_at: str | None = Field(description="when work on the first file began")
    updated_at: str = Field(description="ISO 8601, UTC")
    arguments: dict[str, Any]
    total: int = Field(description="files; of a backfill or an import, images")
    done: int
    added: int = Field(description="images; of a backfill, features filled in")
    replaced: int = Field(description="images; of an import, those that were there and were added to")
    unchanged: int
    skipped: int
    failed: int = Field(description="files that could not be taken; of a backfill, images that could not be filled in")
    message: str
    report: dict[str, Any] = Field(description="of an import: what each folder held, and what did not fit")


class JobList(Schema):
    jobs: list[JobRow]


class JobSubmitted(Schema):
    id: str


class FailedFile(Schema):
    path: str
    code: str
    reason: str


class JobFailures(Schema):
    failures: list[FailedFile]
    next_offset: int | None = Field(description="for the next page; null on the last")


class Tag(Schema):
    label: str
    score: float


class Tags(Schema):
    tags: list[Tag]


class Caption(Schema):
    caption: str

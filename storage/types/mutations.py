"""Changes to a shard, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from storage.types.features import FeatureRows
from storage.types.pictures import Exif, ImageRecord, SourceFile

OnConflict = Literal["error", "skip", "replace"]
Outcome = Literal["created", "replaced", "skipped", "conflict", "deleted", "absent", "filled", "updated"]


@dataclass(frozen=True, slots=True)
class PutImage:
    """Store a picture. One that comes from a file never takes the place of a picture from another one: the outcome is
    "conflict". original: its bytes, kept while features are pending, to compute them from; for good by a shard
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
    """Remove a picture. stays_out: the file that it came from is not to be indexed again unless its bytes change, or
    somebody asks for it.
    """

    operation_id: str
    id: str
    stays_out: bool = False


@dataclass(frozen=True, slots=True)
class UpdateSource:
    """Say where a picture's file is now, and whether it is there; nothing is computed anew. Ignored unless the picture
    still is the one with this sha256. exif: in place of what is known; None leaves it.
    """

    operation_id: str
    id: str
    sha256: str
    source: SourceFile
    missing: bool = False
    exif: Exif | None = None


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


Mutation = PutImage | DeleteImage | FillFeatures | AddFeatures | RemoveFeatures | UpdateSource


@dataclass(frozen=True, slots=True)
class MutationResult:
    """record: the picture's row after the mutation, or the row that was in the way; None where there is none."""

    outcome: Outcome
    record: ImageRecord | None = None

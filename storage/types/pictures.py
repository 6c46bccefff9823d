"""A stored picture: its row, the file it came from, what of it is still to be computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from storage.types.features import FeatureState

FILE_NAME = "file_name"  # key in a picture's metadata


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The file a picture was indexed from, as it was then."""

    path: str
    size: int  # bytes
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Exif:
    """What the camera wrote into a file; None for what it did not.

    taken_at: ISO 8601 in the camera's own time, with its zone where that is known. camera: make and model. orientation:
    1 to 8. gps: latitude and longitude in degrees, north and east positive.
    """

    taken_at: str | None = None
    camera: str | None = None
    orientation: int | None = None
    gps: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """A stored picture's row.

    width, height: pixels, EXIF orientation applied. sha256: of the file's bytes, hex. added_at: Unix seconds.
    features: state of every feature and annotation that the service was asked to keep for it. "pending" ones are to be
    computed, "absent" ones are not: the picture came with single features, or lost some.
    annotations: by annotator, what it said of the picture, as JSON. exif: None while nobody has looked for it. missing:
    the file was gone when its folder was last indexed.
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
    exif: Exif | None = None
    missing: bool = False


@dataclass(frozen=True, slots=True)
class PendingImage:
    """A picture with features or annotations still to be computed, and where its bytes are: in the file
    ``source``, or with its shard where that is None.

    fingerprints: of the versions of each feature that wait; none where any model will do.
    """

    id: str
    sha256: str
    features: tuple[str, ...]
    source: SourceFile | None
    fingerprints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PendingPage:
    """next_start: where to go on, even behind an empty page; None at the end."""

    images: tuple[PendingImage, ...]
    next_start: int | None

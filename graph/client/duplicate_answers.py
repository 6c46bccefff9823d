"""Groups of the same picture, declared as the other `answers` are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True, slots=True)
class DuplicatePicture:
    """One of a group."""

    id: str
    width: Annotated[int, "pixels, EXIF orientation applied; 0 where it was imported without its file"]
    height: Annotated[int, "likewise"]
    byte_size: Annotated[int, "size of the file"]
    sha256: Annotated[str, "of the file's bytes, hexadecimal"]
    path: Annotated[str | None, "the file it was indexed from, on the service's machine"] = None
    distance: Annotated[int | None, "bits of 576 that it differs by from the picture that is kept"] = None


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    keep: Annotated[DuplicatePicture, "the largest: by pixels, then by bytes, then the one of the smallest id"]
    duplicates: Annotated[tuple[DuplicatePicture, ...], "nearest first; each within the threshold of keep"]
    left_out: Annotated[int, "further pictures near to keep, that were too many to look at"] = 0


@dataclass(frozen=True, slots=True)
class DuplicatePage:
    groups: Annotated[tuple[DuplicateGroup, ...], "may be empty on a page that is not the last"]
    next_cursor: Annotated[str | None, "for the next page; null on the last"]
    looked_at: Annotated[int, "pictures that the page walked over"] = 0
    undecided: Annotated[int, "of these, left alone because it took too long to tell what they are copies of"] = 0

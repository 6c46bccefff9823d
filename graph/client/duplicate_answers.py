"""Groups of the same picture, as a client sees them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DuplicatePicture:
    """One of a group. path: of the file that it was indexed from, on the service's machine. distance: bits of 576 that
    it differs by from the one that is kept; None of that one itself.
    """

    id: str
    width: int
    height: int
    byte_size: int
    sha256: str
    path: str | None = None
    distance: int | None = None


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """duplicates: of ``keep``, nearest first. left_out: further pictures near to it that were too many to look at."""

    keep: DuplicatePicture
    duplicates: tuple[DuplicatePicture, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class DuplicatePage:
    """next_cursor: what asks for the following page, behind an empty page, too; None on the last one. looked_at:
    pictures that the page walked over. undecided: those of them of which it could not be told in time.
    """

    groups: tuple[DuplicateGroup, ...]
    next_cursor: str | None
    looked_at: int = 0
    undecided: int = 0

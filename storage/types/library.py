"""The files that pictures were indexed from, and the folders that were asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

# Of the file that a picture came from. removed: the picture was, by hand, and the file is kept out since.
FileState = Literal["stored", "missing", "removed"]


class KnownFile(NamedTuple):
    """A file that a picture was indexed from, as it was then. sha256: of its bytes, hex."""

    id: str
    path: str
    size: int  # bytes
    mtime_ns: int
    sha256: str
    state: FileState
    has_exif: bool  # whether anybody has looked for it


class IdHolder(NamedTuple):
    """Whose an id is. path: of the file that has it; None of a picture that came without one. sha256, bytes: of that
    picture; "" and 0 where it was imported without its file.
    """

    path: str | None
    sha256: str = ""
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Root:
    """A folder that was indexed, and how. path: the real one. passed_over: files that are no pictures, by ending.
    last_scan_at: Unix seconds, of the last time that it could be reached.
    """

    path: str
    id_from: str = "path"
    on_conflict: str = "replace"
    exclude: tuple[str, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)
    last_scan_at: float | None = None
    watched: bool = False

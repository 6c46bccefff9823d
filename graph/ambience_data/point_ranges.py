"""Which keypoints belong to which picture: the table img_points of the original's PostgreSQL, from a CSV file or asked.

Columns are image_id, file_name (which older tables lack) and point_id_range, a range as PostgreSQL writes it:
``[1,201)``. A file may be CSV or COPY's own text format, with or without a header.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from graph.ambience_data.defects import Defects
from storage.errors import InvalidField, Misconfigured, Unavailable

SCHEMES = ("postgresql://", "postgres://")
_RANGE = re.compile(r"([\[(])\s*(\d+)\s*,\s*(\d+)\s*([\])])")
_QUERY = "SELECT image_id, lower(point_id_range), upper(point_id_range) FROM img_points"
ROWS_AT_ONCE = 10_000

Row = tuple[int, int, int]  # image id, first point, end


@dataclass(frozen=True, slots=True, eq=False)
class PointRanges:
    """By first point: picture images[i] has the points from starts[i] to before ends[i]."""

    images: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def places_of(self, points: NDArray[np.int64]) -> NDArray[np.int64]:
        """(N,) the range that each point is in; -1 where it is in none."""
        places = np.searchsorted(self.starts, points, side="right") - 1
        inside = (places >= 0) & (points < self.ends[places]) if len(self.ends) else np.zeros(len(points), bool)
        return np.where(inside, places, -1)


def is_connection(source: str) -> bool:
    """Whether it is a database, not a file."""
    return source.startswith(SCHEMES)


def read_point_ranges(source: str, defects: Defects) -> PointRanges:
    """source: the path of a file, or a connection string. Raises `InvalidField` for a file that cannot be read,
    `Misconfigured` where the package for PostgreSQL is missing, `Unavailable` where the database does not answer.
    """
    rows = _asked_rows(source) if is_connection(source) else _file_rows(source, defects)
    table = np.array(sorted(rows, key=lambda row: row[1:]), np.int64).reshape(-1, 3)
    overlapping = np.flatnonzero(table[1:, 1] < table[:-1, 2]) + 1
    for place in overlapping:
        before, image = int(table[place - 1, 0]), int(table[place, 0])
        defects.add(
            "overlapping_points", f"{_shown(source)}: {image}", f"its range shares points with that of {before}"
        )
    images, counts = np.unique(table[:, 0], return_counts=True)
    for image in images[counts > 1]:
        defects.add("duplicate", f"{_shown(source)}: {image}", "it has several ranges of points")
    return PointRanges(table[:, 0], table[:, 1], table[:, 2])


def check_point_source(source: str) -> None:
    """Raises `InvalidField` for a connection string with a password, which everybody who sees the job would see."""
    if source.startswith(SCHEMES) and re.match(r"\w+://[^/@]*:[^/@]*@|.*[?&]password=", source):
        raise InvalidField(
            "the connection string holds a password, which the job's record would show",
            "leave it out and put it into ~/.pgpass of the user that runs the service",
        )


def _shown(source: str) -> str:
    return "img_points" if source.startswith(SCHEMES) else source


def _file_rows(path: str, defects: Defects) -> Iterator[Row]:
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            yield from _parsed(path, file, defects)
    except (OSError, csv.Error) as failure:
        raise InvalidField(f"the table of keypoints {path!r} cannot be read: {failure}", "check the path") from failure


def _parsed(path: str, lines: Iterable[str], defects: Defects) -> Iterator[Row]:
    columns = (0, -1)
    for number, cells in enumerate(_cells(lines), start=1):
        if number == 1 and "point_id_range" in cells and "image_id" in cells:
            columns = (cells.index("image_id"), cells.index("point_id_range"))
            continue
        if not cells or cells == ["\\."]:
            continue
        row = _row(cells, *columns)
        if row is None:
            defects.add("bad_point_range", f"{path}, line {number}", f"no picture and range of points: {cells!r:.200}")
        elif row[1] < row[2]:  # else an empty range
            yield row


def _cells(lines: Iterable[str]) -> Iterator[list[str]]:
    """Those of each line; of COPY's text format they are apart by tabs."""
    source = iter(lines)
    first = next(source, "")
    return csv.reader(chain([first.removeprefix("\ufeff")], source), delimiter="\t" if "\t" in first else ",")


def _row(cells: Sequence[str], image_column: int, range_column: int) -> Row | None:
    if len(cells) <= max(image_column, range_column):
        return None
    image, written = cells[image_column].strip(), cells[range_column].strip()
    if not (image.isascii() and image.isdigit()):
        return None
    if written == "empty":
        return int(image), 0, 0
    match = _RANGE.fullmatch(written)
    if match is None:
        return None
    start, end = int(match[2]) + (match[1] == "("), int(match[3]) + (match[4] == "]")
    return (int(image), start, end) if max(int(image), start, end) < 1 << 62 else None


def _asked_rows(url: str) -> Iterator[Row]:
    try:
        psycopg = import_module("psycopg")  # an optional package
    except ImportError as missing:
        raise Misconfigured(
            "reading the table of keypoints from PostgreSQL needs the package psycopg",
            "pip install 'lookalike[postgres]', or give a CSV file of the table img_points",
        ) from missing
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            connection.read_only = True
            with connection.cursor("img_points") as cursor:
                cursor.itersize = ROWS_AT_ONCE
                cursor.execute(_QUERY)
                yield from ((image, start, end) for image, start, end in cursor if start is not None)
    except psycopg.Error as failure:
        reason = str(failure).strip().splitlines()[0] if str(failure).strip() else type(failure).__name__
        raise Unavailable(f"the table img_points cannot be read: {reason}", "check the connection string") from failure

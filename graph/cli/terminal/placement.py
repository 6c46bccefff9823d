"""Where a query and a stored picture overlap, from the evidence of a match that has a homography, and in words.

The homography maps pixels of the stored picture to pixels of the query, so each edge of the query is a straight line in
the stored picture. What the query shows is the stored picture clipped by those four lines (Sutherland and Hodgman, CACM
1974); that holds under any perspective, also where a corner of the query lies beyond the horizon.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WHOLE = 0.95  # share of an area that counts as all of it
MOSTLY = 0.9  # share of the query: the outline of a small crop is not exact to the pixel
LEAST_TURN = 3.0  # degrees; less is the error of the outline, or a hand that held the camera

Point = tuple[float, float]
Line = tuple[float, float, float]  # a, b, c: the points where a x + b y + c >= 0 are on its inner side
Homography = tuple[Line, Line, Line]


@dataclass(frozen=True, slots=True)
class Placement:
    """How a query and a stored picture overlap.

    of_stored: share of the stored picture that the query shows. of_query: share of the query that shows it; both above
    0, to 1. mirrored: the query is mirrored left to right. degrees: it is then rotated clockwise, -180 to 180.
    """

    of_stored: float
    of_query: float
    mirrored: bool
    degrees: float


def placement(match: Mapping[str, Any], width: int, height: int) -> Placement | None:
    """From a match's ``homography`` and ``box``; None where it has none, or none that describes an overlap.

    width, height: pixels of the stored picture.
    """
    rows, box = _numbers(match.get("homography"), 3, 3), _numbers(match.get("box"), 4, 2)
    if rows is None or box is None or min(width, height) <= 0:
        return None
    homography: Homography = (rows[0], rows[1], rows[2])
    try:
        return _overlap(homography, (box[2][0], box[2][1]), (width, height), match.get("view") == "mirrored")
    except (ZeroDivisionError, OverflowError):
        return None


def _numbers(value: Any, count: int, length: int) -> list[Any] | None:
    """``count`` tuples of ``length`` finite numbers; None for anything else."""
    try:
        rows = [tuple(float(number) for number in row) for row in value]
    except (TypeError, ValueError, OverflowError):
        return None
    fits = len(rows) == count and all(len(row) == length and all(map(math.isfinite, row)) for row in rows)
    return rows if fits else None


def _overlap(homography: Homography, corner: Point, size: Point, mirrored: bool) -> Placement | None:
    """corner: where the query's bottom right corner lies in the stored picture."""
    # A homography and its negative map alike, but only one has what the camera saw in front of it.
    shown = max((_shown(side, corner, size) for side in (homography, _negative(homography))), key=_area)
    query_width, query_height = _mapped(homography, corner)
    of_stored = _area(shown) / (size[0] * size[1])
    of_query = _area([_mapped(homography, point) for point in shown]) / (query_width * query_height)
    degrees = _degrees(homography, shown) if shown else math.nan
    if not (of_stored > 0 and 0 < of_query < math.inf and math.isfinite(degrees)):
        return None
    return Placement(min(of_stored, 1.0), min(of_query, 1.0), mirrored, degrees)


def _shown(homography: Homography, corner: Point, size: Point) -> list[Point]:
    """The part of the stored picture that lies in the query: its corners in pixels of the stored picture."""
    across, down, depth = homography
    query_width, query_height = _mapped(homography, corner)
    polygon: list[Point] = [(0.0, 0.0), (size[0], 0.0), size, (0.0, size[1])]
    for edge in (across, _far(across, depth, query_width), down, _far(down, depth, query_height)):
        polygon = _clipped(polygon, edge)
    return polygon


def _far(near: Line, depth: Line, extent: float) -> Line:
    """The line where the coordinate ``near / depth`` is ``extent``."""
    return (extent * depth[0] - near[0], extent * depth[1] - near[1], extent * depth[2] - near[2])


def _clipped(polygon: Sequence[Point], edge: Line) -> list[Point]:
    """What of a convex polygon lies on the inner side of a line."""
    kept: list[Point] = []
    for start, end in zip(polygon, [*polygon[1:], *polygon[:1]], strict=True):
        here, there = _dot(edge, start), _dot(edge, end)
        if here >= 0:
            kept.append(start)
        if (here >= 0) != (there >= 0):
            part = here / (here - there)
            kept.append((start[0] + part * (end[0] - start[0]), start[1] + part * (end[1] - start[1])))
    return kept


def _area(polygon: Sequence[Point]) -> float:
    following = [*polygon[1:], *polygon[:1]]
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(polygon, following, strict=True))) / 2


def _degrees(homography: Homography, polygon: Sequence[Point]) -> float:
    """How far the map turns things clockwise in the middle of the polygon, after the mirroring if it mirrors."""
    middle = (sum(x for x, _ in polygon) / len(polygon), sum(y for _, y in polygon) / len(polygon))
    x, y = _mapped(homography, middle)
    across, down, depth = homography
    scale = _dot(depth, middle)
    a, b = (across[0] - x * depth[0]) / scale, (across[1] - x * depth[1]) / scale
    c, d = (down[0] - y * depth[0]) / scale, (down[1] - y * depth[1]) / scale
    if a * d - b * c < 0:
        a, c = -a, -c
    return math.degrees(math.atan2(c - b, a + d))


def _mapped(homography: Homography, point: Point) -> Point:
    across, down, depth = (_dot(row, point) for row in homography)
    return across / depth, down / depth


def _dot(line: Line, point: Point) -> float:
    return line[0] * point[0] + line[1] * point[1] + line[2]


def _negative(homography: Homography) -> Homography:
    first, second, third = ((-a, -b, -c) for a, b, c in homography)
    return first, second, third


def sentence(image_id: str, found: Placement, *, is_edited: bool = False) -> str:
    """What the query is of the stored picture, as in "crop of a/b.jpg, 31 % of its area"."""
    kind = "mirrored crop" if found.mirrored else "crop"
    mirrored = ", mirrored" if found.mirrored else ""
    if found.of_stored >= WHOLE and found.of_query >= WHOLE:
        said = f"{'an edited copy of' if is_edited else 'the same picture as'} {image_id}{mirrored}"
    elif found.of_stored >= WHOLE:
        said = f"contains {image_id}{mirrored}, as {_percent(found.of_query)} of its area"
    elif found.of_query >= MOSTLY:
        said = f"{kind} of {image_id}, {_percent(found.of_stored)} of its area"
    else:
        said = f"contains a {kind} of {image_id}, {_percent(found.of_stored)} of its area"
    return said + _turn(found.degrees)


def _percent(share: float) -> str:
    return "under 1 %" if share < 0.005 else f"{share:.0%}".replace("%", " %")


def _turn(degrees: float) -> str:
    if abs(degrees) < LEAST_TURN:
        return ""
    rounded = round(abs(degrees))
    way = "" if rounded == 180 else " clockwise" if degrees > 0 else " counterclockwise"
    return f", rotated by {rounded} degrees{way}"

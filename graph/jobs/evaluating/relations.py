"""Which words are right for an edit: by what it does to the picture, and by how much of each is in the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graph.jobs.evaluating.edits import Copy, Homography
from lookalike_client.matches import Relation

Polygon = NDArray[np.float64]  # (N, 2) corners in order, pixels
Relations = frozenset[Relation]

PART = 0.9  # less than this share of a picture is a part of it
NEARLY_WHOLE = 0.97  # from PART to this of the stored picture: a crop that one may well call the whole

SAME: Relations = frozenset({"same"})  # nothing that a person would call a change
EITHER: Relations = frozenset(
    {"same", "edited"}
)  # gray, brightness, blur, strong compression: the picture is whole and looks other
EDITED: Relations = frozenset({"edited"})  # something over it or around it, or other colours altogether
CHANGES: Mapping[str, Relations] = {  # what is right of each of `EDITS` where all of both pictures is in the other
    **dict.fromkeys(["thumbnail 200 px", "rotate 90", "rotate 180", "mirror"], SAME),
    **dict.fromkeys(["crop 80 %", "crop 50 %", "crop 25 %", "crop 10 %", "crop 50 % + mirror"], SAME),
    **dict.fromkeys(["jpeg 15", "crop 50 % + jpeg 20", "gray", "brightness + contrast", "blur"], EITHER),
    **dict.fromkeys(["overlay text", "border", "rotate 5"], EDITED),
}


@dataclass(frozen=True, slots=True)
class Shares:
    """of_query, of_stored: the shares of the copy and of the original that are in the other, 0 to 1."""

    of_query: float
    of_stored: float


def right_relations(change: Relations, copy: Copy, original: tuple[int, int]) -> Relations:
    """What may be said of the copy as a query when the original (width, height) is stored.

    change: what is right where all of both is in the other, as in `CHANGES`.
    """
    shares = shares_of(copy.homography, copy.picture.size, original)
    if shares.of_query < PART:
        return frozenset({"overlap"}) if shares.of_stored < PART else frozenset({"contains"})
    if shares.of_stored < PART:
        return frozenset({"crop"})
    if shares.of_stored < NEARLY_WHOLE:
        return frozenset({"crop", "same", "edited"})
    return change


def shares_of(homography: Homography, query: tuple[int, int], stored: tuple[int, int]) -> Shares:
    """homography: pixels of the stored one to pixels of the query. Sizes are (width, height)."""
    in_query = _clipped(_mapped(homography, _corners(stored)), query)
    in_stored = _clipped(_mapped(np.linalg.inv(homography).astype(np.float64), _corners(query)), stored)
    return Shares(_area(in_query) / (query[0] * query[1]), _area(in_stored) / (stored[0] * stored[1]))


def _corners(size: tuple[int, int]) -> Polygon:
    """Of the outermost pixels, half a pixel beyond their middles."""
    right, bottom = size[0] - 0.5, size[1] - 0.5
    return np.array([[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]])


def _mapped(homography: Homography, points: Polygon) -> Polygon:
    mapped = np.column_stack([points, np.ones(len(points))]) @ homography.T
    return mapped[:, :2] / mapped[:, 2:]


def _clipped(polygon: Polygon, size: tuple[int, int]) -> Polygon:
    """What of a convex polygon lies in the picture (Sutherland and Hodgman): one border after the other."""
    for axis, side, sign in ((0, -0.5, 1), (0, size[0] - 0.5, -1), (1, -0.5, 1), (1, size[1] - 0.5, -1)):
        inside = sign * (polygon[:, axis] - side)
        kept: list[NDArray[np.float64]] = []
        for number in range(len(polygon)):
            here, there = inside[number - 1], inside[number]
            if (here >= 0) != (there >= 0):
                kept.append(polygon[number - 1] + here / (here - there) * (polygon[number] - polygon[number - 1]))
            if there >= 0:
                kept.append(polygon[number])
        polygon = np.array(kept).reshape(-1, 2)
    return polygon


def _area(polygon: Polygon) -> float:
    x, y = polygon[:, 0], polygon[:, 1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)

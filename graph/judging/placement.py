"""How a stored picture lies in a query: the map between the two, said in the words of an answer.

A map is a (3, 3) homography from pixels of the stored picture to pixels of the query; (0, 0) is the outer corner of the
first pixel of either.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from lookalike_client.matches import Overlap, Transform

Floats = NDArray[np.float64]
Size = tuple[int, int]  # (width, height), pixels

# Of a picture of unit size, where in the query each point of one that looks like the query's view lies, in the order of
# `deployments.extractors.phash.VIEWS`.
_UNIT_MAPS: Sequence[Sequence[Sequence[float]]] = (
    ((1, 0, 0), (0, 1, 0)),  # as_given
    ((-1, 0, 1), (0, 1, 0)),  # mirrored
    ((0, 1, 0), (-1, 0, 1)),  # rotated_90
    ((-1, 0, 1), (0, -1, 1)),  # rotated_180
    ((0, -1, 1), (1, 0, 0)),  # rotated_270
    ((1, 0, 0), (0, -1, 1)),  # flipped
    ((0, 1, 0), (1, 0, 0)),  # transposed
    ((0, -1, 1), (-1, 0, 1)),  # transversed
)
VIEW_COUNT = len(_UNIT_MAPS)


def whole_in_whole(view: int, stored: Size, query: Size) -> Floats:
    """The map of a stored picture that is all of the query, turned or mirrored as ``view`` of the query says."""
    unit = np.array([*_UNIT_MAPS[view], (0, 0, 1)], np.float64)
    return np.diag([query[0], query[1], 1.0]) @ unit @ np.diag([1 / stored[0], 1 / stored[1], 1.0])


def between(homography: Floats, stored: tuple[Size, Size], query: tuple[Size, Size]) -> Floats:
    """The same map for other sizes of the two pictures. stored, query: (size that it is for, size that it is to be
    for).
    """
    to_stored = np.diag([stored[0][0] / stored[1][0], stored[0][1] / stored[1][1], 1.0])
    to_query = np.diag([query[1][0] / query[0][0], query[1][1] / query[0][1], 1.0])
    return np.asarray(to_query @ homography @ to_stored, np.float64)


def transform_of(homography: Floats, stored: Size) -> Transform:
    """Mirrored left to right, then turned clockwise, then scaled: what the map is at the middle of the picture."""
    jacobian = jacobian_at(homography, np.array([stored[0] / 2, stored[1] / 2]))
    mirrored = bool(np.linalg.det(jacobian) < 0)
    if mirrored:
        jacobian = jacobian @ np.diag([-1.0, 1.0])
    turn = np.degrees(np.arctan2(jacobian[1, 0] - jacobian[0, 1], jacobian[0, 0] + jacobian[1, 1]))
    scale = float(np.sqrt(abs(np.linalg.det(jacobian))))
    return Transform(mirrored, round(float(turn) % 360.0, 2) % 360.0, float(f"{scale:.5g}"))


def stretch_of(homography: Floats, stored: Size) -> float:
    """How much longer the map makes one direction than another, at the middle of the picture: 1 of a copy."""
    longest, shortest = np.linalg.svd(jacobian_at(homography, np.array([stored[0] / 2, stored[1] / 2])))[1]
    return float(longest / max(shortest, 1e-9))


def overlap_of(homography: Floats, stored: Size, query: Size) -> Overlap:
    """The share of each picture that lies in the other."""
    return Overlap(
        _share(np.asarray(np.linalg.inv(homography), np.float64), query, stored),
        _share(homography, stored, query),
    )


def _share(homography: Floats, own: Size, other: Size) -> float:
    """Of the picture ``own``, the share that comes to lie within ``other``: area counted in own pixels."""
    within = _clipped(homography, own, other)
    return round(min(1.0, _area(within) / (own[0] * own[1])), 4)


def _clipped(homography: Floats, own: Size, other: Size) -> Floats:
    """(N, 2) the part of ``own`` that lies within ``other``: own's corners cut by the other's four edges, each a line
    in own pixels.
    """
    polygon = np.array([[0, 0], [own[0], 0], [own[0], own[1]], [0, own[1]]], np.float64)
    x, y, depth = homography
    lines = [depth, x, depth * other[0] - x, y, depth * other[1] - y]
    for line in lines:  # a point is inside where the line's value is positive
        values = polygon @ line[:2] + line[2] if len(polygon) else np.zeros(0)
        kept = []
        for index in range(len(polygon)):
            before, here = index - 1, index
            if (values[before] >= 0) != (values[here] >= 0):
                share = values[before] / (values[before] - values[here])
                kept.append(polygon[before] + share * (polygon[here] - polygon[before]))
            if values[here] >= 0:
                kept.append(polygon[here])
        polygon = np.array(kept, np.float64).reshape(-1, 2)
    return polygon


def _area(polygon: Floats) -> float:
    if len(polygon) < 3:
        return 0.0
    return float(abs(cv2.contourArea(polygon.astype(np.float32))))


def jacobian_at(homography: Floats, at: Floats) -> Floats:
    """(2, 2) what the map does to the surroundings of a point; not finite where that goes to infinity."""
    x, y, depth = homography @ np.array([at[0], at[1], 1.0])
    place = np.array([[x], [y]]) / depth
    return np.asarray((homography[:2, :2] - place * homography[2, :2]) / depth, np.float64)


def outline_in_stored(homography: Floats, stored: Size, query: Size) -> Floats:
    """(N, 2) the part of the stored picture that the query shows, as a polygon in pixels of the stored picture."""
    return _clipped(homography, stored, query)

"""The original's local features, compared with the table that says whose they are.

They are counted and checked, and not imported: a keypoint of the original is a place and a descriptor, without the size
and direction that the geometric check here goes by, and its descriptors are of other patches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from graph.ambience_data.defects import Defects
from graph.ambience_data.folders import DESCRIPTORS, KEYPOINTS, ServiceFolder
from graph.ambience_data.point_ranges import PointRanges
from graph.ambience_data.stores import DataStore
from storage.errors import CorruptData

KEYPOINT_BYTES, DESCRIPTOR_BYTES = 8, 512
POINTS_AT_ONCE = 20_000
MOST_KEY_BYTES = 7  # a number below 2^63 that also compares with the ranges

Points = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class KeypointCounts:
    """images: pictures with a range of points; whole: those of which every keypoint and descriptor is there."""

    keypoints: int
    descriptors: int
    images: int
    whole: int


def check_keypoints(folder: ServiceFolder, ranges: PointRanges | None, defects: Defects) -> KeypointCounts:
    """ranges: None where nobody said whose the points are; then only the values are looked at."""
    stores = (folder.stores.get(KEYPOINTS), folder.stores.get(DESCRIPTORS))
    found = [
        _counted(store, width, ranges, defects)
        for store, width in zip(stores, (KEYPOINT_BYTES, DESCRIPTOR_BYTES), strict=True)
    ]
    keypoints, descriptors = (0 if store is None else store.entries for store in stores)
    if ranges is None:
        return KeypointCounts(keypoints, descriptors, 0, 0)
    wanted = ranges.ends - ranges.starts
    is_whole = (found[0] == wanted) & (found[1] == wanted)
    for place in np.flatnonzero(~is_whole):
        there = f"{found[0][place]} keypoints and {found[1][place]} descriptors"
        where = f"{folder.path}: keypoints of {ranges.images[place]}"
        defects.add("missing_points", where, f"{there} that fit, of {wanted[place]} points")
    return KeypointCounts(keypoints, descriptors, len(ranges.images), int(is_whole.sum()))


def _counted(store: DataStore | None, width: int, ranges: PointRanges | None, defects: Defects) -> Points:
    """(R,) how many values that are what they should be each range has."""
    counts = np.zeros(0 if ranges is None else len(ranges.images), np.int64)
    if store is None:
        return counts
    try:
        items = store.items()
        while chunk := list(islice(items, POINTS_AT_ONCE)):
            points = _fitting_points(store.path, chunk, width, defects)
            if ranges is not None:
                places = ranges.places_of(points)
                for first, last in _runs(points[places < 0]):
                    defects.add("orphan_points", f"{store.path}: {first} to {last}", "they belong to no picture")
                counts += np.bincount(places[places >= 0], minlength=len(counts))
    except CorruptData as failure:
        defects.add("damaged", store.path, failure.message)
    return counts


def _fitting_points(path: str, chunk: Sequence[tuple[bytes, bytes]], width: int, defects: Defects) -> Points:
    """Ids of those points of the chunk whose value is (width / 4) finite numbers, in no order."""
    fitting: list[int] = []
    values: list[bytes] = []
    for key, value in chunk:
        if len(key) > MOST_KEY_BYTES:
            defects.add("bad_key", f"{path}: {key.hex()}", f"a point's id has at most {MOST_KEY_BYTES} bytes")
        elif len(value) != width:
            where = f"{path}: {int.from_bytes(key, 'big')}"
            defects.add("wrong_length", where, f"{len(value)} bytes instead of {width}")
        else:
            fitting.append(int.from_bytes(key, "big"))
            values.append(value)
    points = np.array(fitting, np.int64)
    numbers = np.frombuffer(b"".join(values), np.dtype("<f4")).reshape(len(points), width // 4)
    is_finite = np.isfinite(numbers).all(axis=1)
    for point in points[~is_finite]:
        defects.add("not_finite", f"{path}: {point}", "not all of its numbers are finite")
    return points[is_finite]


def _runs(points: Points) -> Iterator[tuple[int, int]]:
    """First and last of each run of numbers that follow each other."""
    if not len(points):
        return
    points = np.sort(points)
    breaks = np.flatnonzero(np.diff(points) > 1)
    firsts, lasts = np.append(0, breaks + 1), np.append(breaks, len(points) - 1)
    yield from zip(points[firsts].tolist(), points[lasts].tolist(), strict=True)

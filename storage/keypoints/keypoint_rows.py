"""A picture's keypoints as they are kept and sent: descriptors as the feature's rows, and beside them where each lies.

extras of the `FeatureRows`, one row a keypoint unless said otherwise:
    points  (N, 2) uint16  x, y in 32nds of a pixel of the frame, 0 at the outer edge of its first pixel
    shapes  (N, 2) uint8   size in 16ths of an octave and direction in 256ths of a turn
    frames  (F, 3) uint32  for each picture: its number of keypoints, the width and height of its frame
    mirrored (N, D / 2)    of a query only: the descriptors that the picture's mirror image would have

The *frame* is the working image. A stored picture has one; the keypoints of a query made of two pictures follow each
other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import InvalidRequest
from storage.index.descriptor_codes import unpacked
from storage.keypoints.alignment import DescribedKeypoints
from storage.keypoints.plane_maps import Floats
from storage.types.features import FeatureRows, Vectors

POINT_STEPS = 32.0  # to a pixel
SIZE_STEPS = 16.0  # to an octave
SIZE_ORIGIN = 32.0  # step of a size of one pixel
DIRECTION_STEPS = 256.0  # to a turn
COLUMNS = {"points": (2, np.uint16), "shapes": (2, np.uint8)}


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A picture as a query looks at it: as it is given, or mirrored left to right.

    size: (width, height) of the frame in pixels.
    """

    frame: int
    mirrored: bool
    size: tuple[int, int]
    codes: Vectors
    points: Floats
    sigmas: Floats
    angles: Floats

    def described(self) -> DescribedKeypoints:
        return DescribedKeypoints(unpacked(self.codes), self.points, self.sigmas, self.angles)

    @property
    def to_frame(self) -> Floats:
        """(3, 3): the side's coordinates to those of the frame."""
        return np.array([[-1, 0, self.size[0]], [0, 1, 0], [0, 0, 1.0]]) if self.mirrored else np.eye(3)


def keypoint_feature(
    codes: Vectors, points: Floats, sigmas: Floats, angles: Floats, size: tuple[int, int]
) -> FeatureRows:
    """One picture's keypoints. points: (N, 2) in pixels of the frame ``size``; sigmas: pixels; angles: radians."""
    limits = np.array(size) * POINT_STEPS
    steps = np.clip(np.rint(points * POINT_STEPS), 0, np.minimum(limits, np.iinfo(np.uint16).max))
    sizes = np.clip(np.rint(np.log2(sigmas) * SIZE_STEPS + SIZE_ORIGIN), 0, 255)
    turns = np.rint(angles / (2 * np.pi) * DIRECTION_STEPS) % DIRECTION_STEPS
    extras: dict[str, NDArray[Any]] = {
        "points": steps.astype(np.uint16).reshape(-1, 2),
        "shapes": np.stack([sizes, turns], axis=1).astype(np.uint8).reshape(-1, 2),
        "frames": np.array([[len(codes), *size]], np.uint32),
    }
    return FeatureRows(codes, extras=extras)


def check_keypoints(where: str, rows: Vectors, extras: Mapping[str, NDArray[Any]]) -> None:
    """Raises `InvalidRequest` unless the extras describe as many keypoints as there are rows."""
    frames = extras.get("frames")
    if frames is None or frames.dtype != np.uint32 or frames.ndim != 2 or frames.shape[1] != 3 or not len(frames):
        raise InvalidRequest(f"{where}: it does not say what pictures its keypoints are of", "compute it again")
    if int(frames[:, 0].sum()) != len(rows) or not frames[:, 1:].all():
        raise InvalidRequest(f"{where}: its frames do not add up to {len(rows)} keypoints", "compute it again")
    for name, (columns, dtype) in COLUMNS.items():
        array = extras.get(name)
        if array is None or array.shape != (len(rows), columns) or array.dtype != dtype:
            raise InvalidRequest(f"{where}: no {name} for {len(rows)} keypoints", "compute it again")
    mirrored = extras.get("mirrored")
    if mirrored is not None and (mirrored.shape != rows.shape or mirrored.dtype != rows.dtype):
        raise InvalidRequest(f"{where}: its mirrored descriptors are not {len(rows)} as well", "compute it again")


def sides(rows: Vectors, extras: Mapping[str, NDArray[Any]]) -> Iterator[Side]:
    """Each picture as given, and mirrored where the mirror image's descriptors are there."""
    points = extras["points"].astype(np.float64) / POINT_STEPS
    sigmas = np.exp2((extras["shapes"][:, 0].astype(np.float64) - SIZE_ORIGIN) / SIZE_STEPS)
    angles = extras["shapes"][:, 1].astype(np.float64) * (2 * np.pi / DIRECTION_STEPS)
    start = 0
    for frame, (count, width, height) in enumerate(extras["frames"].tolist()):
        part = slice(start, start + count)
        size = (int(width), int(height))
        yield Side(frame, False, size, rows[part], points[part], sigmas[part], angles[part])
        if "mirrored" in extras:
            there = np.stack([width - points[part, 0], points[part, 1]], axis=1)
            yield Side(frame, True, size, extras["mirrored"][part], there, sigmas[part], np.pi - angles[part])
        start += count


def stored_side(feature: FeatureRows) -> Side:
    """A stored picture as it is."""
    return next(sides(feature.rows, {name: feature.extras[name] for name in ("points", "shapes", "frames")}))

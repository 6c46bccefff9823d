"""Keypoints: extrema of the difference of Gaussians, located between pixels and between levels, without edges.

After Lowe, IJCV 2004, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from deployments.keypoints.scale_space import INTERVALS, Octave, level_sigma
from storage.compiled import CompiledLoop, compiled

LEAST_RESPONSE = 0.15  # gray levels of 255
EDGE_RATIO = 10.0  # of the principal curvatures
BORDER = 5  # pixels of the octave
MAX_STEPS = 5
SETTLED = 0.6  # pixels and levels; at exactly a half, steps would go to and fro between two neighbours


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """N keypoints of a picture.

    points: (N, 2) x, y in pixels of the picture, (0, 0) the middle of its first pixel. sigmas: (N,) blur at which each
    was found, in pixels of the picture. responses: (N,) > 0. octaves: (N,) index. in_octave: (N, 3) x, y in pixels of
    the octave and level.
    """

    points: NDArray[np.float32]
    sigmas: NDArray[np.float32]
    responses: NDArray[np.float32]
    octaves: NDArray[np.int32]
    in_octave: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.points)

    def taken(self, which: NDArray[np.generic]) -> Keypoints:
        """Those that an index or a mask picks."""
        return Keypoints(
            self.points[which], self.sigmas[which], self.responses[which], self.octaves[which], self.in_octave[which]
        )


def detect(octaves: Sequence[Octave]) -> Keypoints:
    """Every keypoint of the scale space, in order of octave, level, row and column."""
    found = [_octave_extrema(octave) for octave in octaves]
    numbers = np.repeat(np.arange(len(found), dtype=np.int32), [len(rows) for rows in found])
    rows = np.concatenate([np.zeros((0, 4), np.float32), *found])
    pixels = np.array([octave.pixel for octave in octaves] or [1.0], np.float32)[numbers]
    sigmas = (level_sigma(0) * np.exp2(rows[:, 2].astype(np.float64) / INTERVALS)).astype(np.float32) * pixels
    points = picture_points(rows[:, :2], pixels, octaves)
    return Keypoints(points, sigmas, rows[:, 3], numbers, np.ascontiguousarray(rows[:, :3]))


def picture_points(
    xy: NDArray[np.float32], pixels: NDArray[np.float32], octaves: Sequence[Octave]
) -> NDArray[np.float32]:
    """(N, 2) positions in the picture. Octaves are halved by leaving out pixels, so their first pixels coincide; an
    enlarged picture's first pixel begins where the picture does.
    """
    shift = (octaves[0].pixel - 1.0) / 2 if octaves else 0.0
    return np.asarray(xy * pixels[:, None] + np.float32(shift), np.float32)


def _octave_extrema(octave: Octave) -> NDArray[np.float32]:
    """(N, 4): x, y, level, response."""
    differences = np.subtract(octave.levels[1:], octave.levels[:-1])
    found = np.empty((max(1024, differences[0].size // 16), 4), np.float32)
    count = _extrema()(differences, found)
    _, first = np.unique(found[:count], axis=0, return_index=True)  # two beginnings may come to one end
    return found[np.sort(first)]


@cache
def _extrema() -> CompiledLoop:
    return compiled(_extrema_loop, "float32[:, :, :]", "float32[:, :]")


def _extrema_loop(differences: NDArray[np.float32], found: NDArray[np.float32]) -> int:
    levels, height, width = differences.shape
    count = 0
    candidates = np.empty(width, np.bool_)
    for level in range(1, levels - 1):
        below, here, above = differences[level - 1], differences[level], differences[level + 1]
        for y in range(BORDER, height - BORDER):
            row, upper, lower = here[y], here[y - 1], here[y + 1]
            for x in range(BORDER, width - BORDER):
                value = row[x]
                candidates[x] = (
                    (value > LEAST_RESPONSE * 0.5)
                    & (value > row[x - 1])
                    & (value >= row[x + 1])
                    & (value > upper[x])
                    & (value >= lower[x])
                ) | (
                    (value < -LEAST_RESPONSE * 0.5)
                    & (value < row[x - 1])
                    & (value <= row[x + 1])
                    & (value < upper[x])
                    & (value <= lower[x])
                )
            for x in range(BORDER, width - BORDER):
                if not candidates[x]:
                    continue
                value = row[x]
                sign = np.float32(1.0) if value > 0 else np.float32(-1.0)
                top = value * sign
                extreme = True
                for dy in range(-1, 2):
                    for dx in range(-1, 2):
                        if (
                            here[y + dy, x + dx] * sign > top
                            or below[y + dy, x + dx] * sign >= top
                            or above[y + dy, x + dx] * sign > top
                        ):
                            extreme = False
                            break
                    if not extreme:
                        break
                if not extreme or count >= found.shape[0]:
                    continue
                # Newton's steps to the top of the quadratic through the neighbours
                s, cy, cx = level, y, x
                settled = False
                ox = oy = os = np.float32(0.0)
                for _ in range(MAX_STEPS):
                    d0, d1, d2 = differences[s - 1], differences[s], differences[s + 1]
                    center = d1[cy, cx]
                    gx = (d1[cy, cx + 1] - d1[cy, cx - 1]) * np.float32(0.5)
                    gy = (d1[cy + 1, cx] - d1[cy - 1, cx]) * np.float32(0.5)
                    gs = (d2[cy, cx] - d0[cy, cx]) * np.float32(0.5)
                    hxx = d1[cy, cx + 1] + d1[cy, cx - 1] - 2 * center
                    hyy = d1[cy + 1, cx] + d1[cy - 1, cx] - 2 * center
                    hss = d2[cy, cx] + d0[cy, cx] - 2 * center
                    hxy = (
                        d1[cy + 1, cx + 1] - d1[cy + 1, cx - 1] - d1[cy - 1, cx + 1] + d1[cy - 1, cx - 1]
                    ) * np.float32(0.25)
                    hxs = (d2[cy, cx + 1] - d2[cy, cx - 1] - d0[cy, cx + 1] + d0[cy, cx - 1]) * np.float32(0.25)
                    hys = (d2[cy + 1, cx] - d2[cy - 1, cx] - d0[cy + 1, cx] + d0[cy - 1, cx]) * np.float32(0.25)
                    m0 = hyy * hss - hys * hys
                    m1 = hxs * hys - hxy * hss
                    m2 = hxy * hys - hyy * hxs
                    determinant = hxx * m0 + hxy * m1 + hxs * m2
                    if determinant == 0:
                        break
                    m3 = hxx * hss - hxs * hxs
                    m4 = hxy * hxs - hxx * hys
                    m5 = hxx * hyy - hxy * hxy
                    ox = -(m0 * gx + m1 * gy + m2 * gs) / determinant
                    oy = -(m1 * gx + m3 * gy + m4 * gs) / determinant
                    os = -(m2 * gx + m4 * gy + m5 * gs) / determinant
                    if abs(ox) < SETTLED and abs(oy) < SETTLED and abs(os) < SETTLED:
                        settled = True
                        break
                    if abs(ox) > 4 or abs(oy) > 4 or abs(os) > 4:
                        break
                    cx += int(np.rint(ox))
                    cy += int(np.rint(oy))
                    s += int(np.rint(os))
                    if (
                        s < 1
                        or s > levels - 2
                        or cx < BORDER
                        or cx >= width - BORDER
                        or cy < BORDER
                        or cy >= height - BORDER
                    ):
                        break
                if not settled:
                    continue
                response = abs(center + np.float32(0.5) * (gx * ox + gy * oy + gs * os))
                trace, curvature = hxx + hyy, hxx * hyy - hxy * hxy
                ratio = (EDGE_RATIO + 1.0) * (EDGE_RATIO + 1.0) / EDGE_RATIO
                if response < LEAST_RESPONSE or curvature <= 0 or trace * trace >= ratio * curvature:
                    continue
                found[count, 0] = cx + ox
                found[count, 1] = cy + oy
                found[count, 2] = s + os
                found[count, 3] = response
                count += 1
    return count

"""The Gaussian scale space of a gray picture: the picture at ever larger blur, each octave at half the size of the one
before.

Three intervals an octave and a first blur of 1.6 pixels, as in Lowe, "Distinctive Image Features from Scale-Invariant
Keypoints", IJCV 2004. The picture is enlarged first only where it is small (see `ENLARGE_BELOW`): the finest octave of
an enlarged photo of a thousand pixels takes three quarters of the time, and what it adds does not outlive a
recompression.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.extractor import Pixels
from storage.compiled import CompiledLoop, compiled

INTERVALS = 3
LEVELS = INTERVALS + 3
FIRST_SIGMA = 1.6  # pixels of the octave, of its first level
CAMERA_SIGMA = 0.5  # blur that a picture is taken to have
LEAST_SIDE = 12  # pixels; octaves end before their short side is less
MAX_OCTAVES = 7
ENLARGE_BELOW = 550  # pixels; pictures with a shorter long side are doubled
TRUNCATED_AT = 4.0  # sigmas, where a kernel ends

FloatPixels = NDArray[np.float32]  # (H, W), 0 to 255


@dataclass(frozen=True, slots=True, eq=False)
class Octave:
    """levels: (6, H, W) the picture at blur 1.6 * 2^(level / 3) pixels of this octave.

    pixel: side of this octave's pixel in pixels of the picture.
    """

    levels: NDArray[np.float32]
    pixel: float


def build_scale_space(gray: Pixels) -> list[Octave]:
    """Octaves of a (H, W) gray picture, finest first; none where it is too small to have any."""
    enlargement = enlargement_of(gray)
    base = gray.astype(np.float32)
    if enlargement > 1:
        size = (gray.shape[1] * enlargement, gray.shape[0] * enlargement)
        base = np.asarray(cv2.resize(base, size, interpolation=cv2.INTER_LINEAR), np.float32)
    base = blurred(base, float(np.sqrt(FIRST_SIGMA**2 - (CAMERA_SIGMA * enlargement) ** 2)))
    octaves: list[Octave] = []
    pixel = 1.0 / enlargement
    while min(base.shape) >= LEAST_SIDE and len(octaves) < MAX_OCTAVES:
        levels = np.empty((LEVELS, *base.shape), np.float32)
        levels[0] = base
        for level in range(1, LEVELS):
            _blur_into(levels[level - 1], _step_sigma(level), levels[level])
        octaves.append(Octave(levels, pixel))
        base = np.ascontiguousarray(levels[INTERVALS, ::2, ::2])
        pixel *= 2
    return octaves


def enlargement_of(gray: Pixels) -> int:
    """How many times a picture is enlarged before keypoints are looked for."""
    return 2 if max(gray.shape) < ENLARGE_BELOW else 1


def blurred(picture: FloatPixels, sigma: float) -> FloatPixels:
    """The picture under a Gaussian of ``sigma`` pixels, mirrored at its borders."""
    if sigma <= 0:
        return picture
    target = np.empty_like(picture)
    _blur_into(picture, sigma, target)
    return target


def level_sigma(level: float) -> float:
    """Blur of a level in pixels of its octave."""
    return float(FIRST_SIGMA * 2.0 ** (level / INTERVALS))


def _step_sigma(level: int) -> float:
    return float(np.sqrt(level_sigma(level) ** 2 - level_sigma(level - 1) ** 2))


def _blur_into(source: FloatPixels, sigma: float, target: FloatPixels) -> None:
    kernel = _half_kernel(sigma)
    rows, columns = (_mirrored(side, kernel.size - 1) for side in source.shape)
    _blur()(source, kernel, rows, columns, target)


@lru_cache(maxsize=1024)  # at most 9 KB each
def _mirrored(side: int, radius: int) -> NDArray[np.int64]:
    """Which of ``side`` pixels is meant at each place from ``radius`` before the first to as far behind the last."""
    return np.pad(np.arange(side), radius, mode="reflect")


@cache
def _half_kernel(sigma: float) -> NDArray[np.float32]:
    """The middle of the kernel and one of its sides, summing to 1 with the other side."""
    radius = max(1, round(TRUNCATED_AT * sigma))
    side = np.exp(-0.5 * (np.arange(radius + 1) / sigma) ** 2)
    return np.asarray(side / (side[0] + 2 * side[1:].sum()), np.float32)


@cache
def _blur() -> CompiledLoop:
    return compiled(_blur_loop, "float32[:, :]", "float32[:]", "int64[:]", "int64[:]", "float32[:, :]")


def _blur_loop(
    source: FloatPixels,
    kernel: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    target: FloatPixels,
) -> None:
    height, width = source.shape
    radius = kernel.size - 1
    padded = np.empty(width + 2 * radius, np.float32)
    total = np.empty(width, np.float32)
    for y in range(height):
        middle = kernel[0]
        row = source[y]
        for x in range(width):
            total[x] = middle * row[x]
        for t in range(1, radius + 1):
            weight, upper, lower = kernel[t], source[rows[radius + y - t]], source[rows[radius + y + t]]
            for x in range(width):
                total[x] += weight * (upper[x] + lower[x])
        for x in range(width):
            padded[radius + x] = total[x]
        for t in range(1, radius + 1):
            padded[radius - t] = total[columns[radius - t]]
            padded[radius + width - 1 + t] = total[columns[radius + width - 1 + t]]
        out = target[y]
        for x in range(width):
            out[x] = middle * padded[radius + x]
        for t in range(1, radius + 1):
            weight = kernel[t]
            lower_side, upper_side = padded[radius - t : radius - t + width], padded[radius + t : radius + t + width]
            for x in range(width):
                out[x] += weight * (lower_side[x] + upper_side[x])

"""Weights of Pillow's Lanczos resampling, rounded to integers as Pillow rounds them.

Source: ``precompute_coeffs`` and ``normalize_coeffs_8bpc`` in Pillow's ``src/libImaging/Resample.c``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np
from numpy.typing import NDArray

WEIGHT_BITS = 22  # a weight of 1.0 is 1 << 22: the sum over 8-bit pixels still fits 32 bits
LOBES = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class RowWeights:
    """How target rows come from source rows: target i is the sum over t of values[i, t] * source[first[i] + t].

    values: (M, T) int32, in units of 2 ** -22, zero where a target row needs fewer than T source rows.
    first: (M,) int64.
    """

    values: NDArray[np.int32]
    first: NDArray[np.int64]


@lru_cache(maxsize=512)  # at most 25 KB each for pictures of 1024 px and targets of 96
def row_weights(source: int, target: int) -> RowWeights:
    """Weights that resample ``source`` rows to ``target`` rows."""
    scale = source / target
    stretch = max(scale, 1.0)
    support = LOBES * stretch
    center = (np.arange(target) + 0.5) * scale
    first = np.maximum((center - support + 0.5).astype(np.int64), 0)
    last = np.minimum((center + support + 0.5).astype(np.int64), source)
    taps = min(ceil(support) * 2 + 1, source)
    first = np.minimum(first, source - taps)  # a window may begin early, under weights of zero, but not end outside
    rows = first[:, None] + np.arange(taps)
    weights = _lanczos((rows - center[:, None] + 0.5) / stretch)
    begin = np.maximum((center - support + 0.5).astype(np.int64), 0)[:, None]
    weights[(rows < begin) | (rows >= last[:, None])] = 0.0
    weights /= np.cumsum(weights, axis=1)[:, -1:]  # cumsum adds in Pillow's order, sum does not
    return RowWeights(np.trunc(weights * (1 << WEIGHT_BITS) + np.copysign(0.5, weights)).astype(np.int32), first)


def _lanczos(x: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = (x >= -LOBES) & (x < LOBES)
    return np.where(inside, np.sinc(x) * np.sinc(x / LOBES), 0.0)

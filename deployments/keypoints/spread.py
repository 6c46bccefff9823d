"""Which keypoints of a picture to keep: strong ones, all over the picture and of all sizes.

A crop has only the keypoints that happen to lie in it, a thumbnail only the large ones, and the strongest of a photo
tend to crowd in one corner at one size. So the picture is divided into cells and the sizes into bands, and a keypoint
is worth the less the more stronger ones share its cell and band: a second best counts as if it were `CROWDING` times
weaker than it is, a third best that much again. So every cell and band has its turn before any has a third one, unless
all that it could bring is hardly there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deployments.keypoints.detector import Keypoints

CELLS = 8  # along each axis
BANDS = 3  # octaves; the last has all that is larger
FIRST_BAND = 2.0  # sigma in pixels where the second band begins, halved, at a long side of 1024
CROWDING = 20.0


def spread_order(keypoints: Keypoints, size: tuple[int, int]) -> NDArray[np.intp]:
    """(N,) the keypoints of a picture of ``size`` = (width, height), the most useful first."""
    if not len(keypoints):
        return np.zeros(0, np.intp)
    scale = FIRST_BAND * max(size) / 1024
    octaves = np.floor(np.log2(np.maximum(keypoints.sigmas / scale, 1e-3))).astype(np.int64)
    cells = (keypoints.points / np.array(size) * CELLS).astype(np.int64).clip(0, CELLS - 1)
    crowd = (octaves.clip(0, BANDS - 1) * CELLS + cells[:, 1]) * CELLS + cells[:, 0]
    worth = np.log(keypoints.responses) - np.log(CROWDING) * _ranks(crowd, keypoints.responses)
    return np.argsort(-worth, kind="stable")


def _ranks(groups: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.int64]:
    """(N,) how many of the same group have a larger value."""
    order = np.lexsort((-values, groups))
    first = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sizes = np.diff(np.append(first, len(order)))
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order)) - np.repeat(first, sizes)
    return ranks

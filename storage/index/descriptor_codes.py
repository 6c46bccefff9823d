"""Local descriptors in 4 bits a number: what is kept of them and compared, 64 bytes for 128 numbers.

Levels 0 to 15 of a fixed step, two to a byte, the even one in the low half. Distances are squared and in steps, exact
integers, so every machine ranks alike. The step, and where level 0 lies, are the descriptor's own affair: neither
changes which distance is the smaller, nor the ratio of two.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from storage.types.features import BinaryVectors, Vectors

LEVELS = 16
BITS = 4

Levels = NDArray[np.uint8]  # (N, D), 0 to 15


def quantized(vectors: NDArray[np.float32], step: float, lowest: float = 0.0) -> Levels:
    """(N, D) levels of (N, D) floats; what lies beyond the last level is put there."""
    levels = np.rint((vectors - np.float32(lowest)) / np.float32(step))
    clipped: Levels = np.clip(levels, 0, LEVELS - 1).astype(np.uint8)
    return clipped


def packed(levels: Levels) -> BinaryVectors:
    """(N, D / 2) bytes of (N, D) levels."""
    codes: BinaryVectors = np.ascontiguousarray(levels[:, 0::2] | levels[:, 1::2] << BITS)
    return codes


def unpacked(codes: Vectors) -> NDArray[np.float32]:
    """(N, D) levels as floats, of (N, D / 2) bytes."""
    pairs = _pairs()[codes].view(np.float32)
    levels: NDArray[np.float32] = pairs.reshape(len(codes), 2 * codes.shape[1])
    return levels


@cache
def _pairs() -> NDArray[np.complex64]:
    """Both levels of a byte as one number of 8 bytes, so that one look-up fetches both."""
    codes = np.arange(256, dtype=np.uint8)
    levels = np.stack([codes & (LEVELS - 1), codes >> BITS], axis=1).astype(np.float32)
    return np.ascontiguousarray(levels).view(np.complex64).reshape(256)

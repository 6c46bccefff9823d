"""Vectors of unit length, as everything that is compared by cosine is kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from storage.types.features import FloatVectors

SHORTEST = 1e-12


def unit_rows(rows: NDArray[np.float32]) -> FloatVectors:
    """(N, D) at unit length; one of zeros points along the first axis, for it must point somewhere. Row by row: no row
    depends on those around it.
    """
    wide = rows.astype(np.float64)
    norms = np.sqrt(np.square(wide).sum(axis=1, keepdims=True))
    flat = norms[:, 0] < SHORTEST
    wide[flat], norms[flat] = 0, 1
    wide[flat, 0] = 1
    return np.asarray(wide / norms, np.float32)

"""Values of the original services' tables as rows of ours: hashes as they are, histograms and vectors normalised.

The original's histograms are multiplied by 10,000,000, older ones not; the vectors of its models are as the model gave
them, for whitening is applied in its index alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from graph.ambience_data.defects import Defects
from storage.types.features import FloatVectors, Vectors

HASH_BYTES = 72
COLORS = 512
SCALES = (1.0, 1e7)  # what the bins of a histogram may sum to
TOLERANCE = 0.01

Rows = dict[int, Vectors]  # by id, each (1, D)


def rows_of(feature: str, width: int, where: str, values: Mapping[int, bytes], defects: Defects) -> Rows:
    """The rows of those values that are what they should be. width: bytes. where: the store's path."""
    fitting = {image_id: value for image_id, value in values.items() if len(value) == width > 0}
    for image_id, value in values.items():
        if image_id not in fitting:
            defects.add("wrong_length", f"{where}: {image_id}", f"{len(value)} bytes instead of {width}")
    ids = list(fitting)
    joined = b"".join(fitting.values())
    if feature == "phash":
        return _by_id(ids, np.frombuffer(joined, np.uint8).reshape(len(ids), width))
    vectors = np.frombuffer(joined, np.dtype("<f4")).reshape(len(ids), width // 4)
    rows, faults = _histograms(vectors) if feature == "color" else _directions(vectors)
    for place in np.flatnonzero(faults != ""):
        defects.add(str(faults[place]), f"{where}: {ids[place]}", _REASONS[str(faults[place])])
    good = np.flatnonzero(faults == "")
    return _by_id([ids[place] for place in good], rows[good])


def looks_like_colors(values: Sequence[bytes]) -> bool:
    """Whether most of these float32 values are histograms."""
    _, faults = _histograms(np.frombuffer(b"".join(values), np.dtype("<f4")).reshape(len(values), -1))
    return bool((faults == "").mean() > 0.5)


_REASONS = {
    "not_finite": "not all of its numbers are finite",
    "no_histogram": "its bins are no shares: they sum neither to 1 nor to 10,000,000, or some are negative",
    "no_direction": "all of its numbers are zero",
}


def _histograms(vectors: FloatVectors) -> tuple[FloatVectors, NDArray[np.str_]]:
    """(N, 512) that sum to 1, and what is wrong with each; empty where nothing is."""
    faults = _not_finite(vectors)
    sums = np.where(faults == "", vectors.sum(axis=1, dtype=np.float64, where=np.isfinite(vectors)), 0)
    is_histogram = (vectors >= 0).all(axis=1) & np.any([abs(sums / scale - 1) < TOLERANCE for scale in SCALES], axis=0)
    faults[(faults == "") & ~is_histogram] = "no_histogram"
    return (vectors / np.where(is_histogram, sums, 1)[:, None]).astype(np.float32), faults


def _directions(vectors: FloatVectors) -> tuple[FloatVectors, NDArray[np.str_]]:
    """(N, D) of unit norm, and what is wrong with each."""
    faults = _not_finite(vectors)
    lengths = np.linalg.norm(np.where(np.isfinite(vectors), vectors, 0).astype(np.float64), axis=1)
    faults[(faults == "") & (lengths == 0)] = "no_direction"
    return (vectors / np.where(faults == "", lengths, 1)[:, None]).astype(np.float32), faults


def _not_finite(vectors: FloatVectors) -> NDArray[np.str_]:
    return np.where(np.isfinite(vectors).all(axis=1), "", "not_finite").astype("U16")


def _by_id(ids: Sequence[int], rows: Vectors) -> Rows:
    return {image_id: rows[place : place + 1] for place, image_id in enumerate(ids)}

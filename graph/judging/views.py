"""In which of the eight turns and flips two whole pictures look most alike: for pictures that no keypoints place."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from graph.judging.pixels import Gray

SIDE = 24  # pixels of the square that both pictures are shrunk to

Square = NDArray[np.float64]


def best_view(query: Square, stored: Square) -> tuple[int, float]:
    """Which view of the query, in the order of `deployments.extractors.phash.VIEWS`, looks most like the stored one;
    and how much, as their correlation.
    """
    views = (
        query, query[:, ::-1], np.rot90(query, -1), np.rot90(query, 2), np.rot90(query), query[::-1],
        query.T, np.rot90(query, 2).T,
    )  # fmt: skip
    alike = [float((view * stored).sum()) for view in views]
    most = int(np.argmax(alike))
    return most, alike[most] / max(float(np.linalg.norm(query) * np.linalg.norm(stored)), 1e-9)


def square(picture: Gray) -> Square:
    """(SIDE, SIDE) of its detail."""
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
    small -= cv2.GaussianBlur(small, (0, 0), SIDE / 6)
    return np.asarray(small, np.float64)

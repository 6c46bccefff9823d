"""In which of the eight turns and flips two whole pictures look most alike: for pictures that no keypoints place."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from graph.judging.pixels import Gray

SIDE = 24  # pixels of the square that both pictures are shrunk to

Square = NDArray[np.float64]


def best_view(query: Gray, stored: Gray) -> int:
    """Which view of the query, in the order of `deployments.extractors.phash.VIEWS`, looks most like the stored one."""
    seen, wanted = _square(query), _square(stored)
    views = (
        seen, seen[:, ::-1], np.rot90(seen, -1), np.rot90(seen, 2), np.rot90(seen), seen[::-1],
        seen.T, np.rot90(seen, 2).T,
    )  # fmt: skip
    return int(np.argmax([float((view * wanted).sum()) for view in views]))


def _square(picture: Gray) -> Square:
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
    small -= cv2.GaussianBlur(small, (0, 0), SIDE / 6)
    return np.asarray(small, np.float64)

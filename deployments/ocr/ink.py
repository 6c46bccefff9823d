"""Letters apart from what is behind them: a line as distances from the colour that its letters may have.

Tesseract reads black on white, and makes that of a gray line by one threshold, which over a photograph leaves no
letters. But letters are of one colour, and that is among the few that the line's middle can be sorted into.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from deployments.extractor import Pixels

COLORS = 5
ROUNDS = 15  # of k-means
ANOTHER_COLOR = 70.0  # of 255, distance from which a pixel counts as white


def inks(line: Pixels) -> Iterator[Pixels]:
    """For each of the main colours of an (H, W, 3) line, what has it in black on white: (H, W). The same every time."""
    colors = line.astype(np.float32)
    height = len(line)
    middle = colors[height // 5 : height - height // 5].reshape(-1, 3)
    if len(middle) < COLORS:
        return
    cv2.setRNGSeed(0)  # of this thread
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, ROUNDS, 1.0)
    labels = np.zeros((len(middle), 1), np.int32)
    _, _, main = cv2.kmeans(middle, COLORS, labels, stop, 1, cv2.KMEANS_PP_CENTERS)
    for color in main:
        distance = np.linalg.norm(colors - color, axis=2)
        yield np.clip(distance * (255 / ANOTHER_COLOR), 0, 255).astype(np.uint8)

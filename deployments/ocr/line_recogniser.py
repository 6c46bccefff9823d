"""What a line of text says, by a network that gives each column of it a character or none (CTC, Graves et al. 2006)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.extractor import Pixels
from deployments.ocr.bundled_models import Network
from deployments.ocr.one_script import in_one_script
from deployments.ocr.text_line import NOTHING_READ, Quad, Reading

HEIGHT = 48  # pixels that the network reads
LEAST_WIDTH, MOST_WIDTH = 160, 3200  # pixels: it was trained on lines, and a long thin region is no text
BLANK = 0


class LineRecogniser:
    """Thread-safe. Every line is read by itself, so that what it says does not depend on the others."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._characters = ["", *network.metadata["character"].splitlines(), " "]

    def __call__(self, line: Pixels) -> Reading:
        """line: (H, W, 3) RGB, upright."""
        width = min(max(round(HEIGHT * line.shape[1] / line.shape[0]), 1), MOST_WIDTH)
        padded = np.zeros((1, 3, HEIGHT, max(width, LEAST_WIDTH)), np.float32)
        how = cv2.INTER_AREA if line.shape[0] > HEIGHT else cv2.INTER_LINEAR
        resized = cv2.resize(line[:, :, ::-1], (width, HEIGHT), interpolation=how)
        padded[0, :, :, :width] = resized.astype(np.float32).transpose(2, 0, 1) / np.float32(127.5) - 1
        likelihoods = self._network(padded)[0]
        best = likelihoods.argmax(axis=1)
        is_first = np.concatenate([[True], best[1:] != best[:-1]])
        columns = np.flatnonzero(is_first & (best != BLANK))
        if not len(columns):
            return NOTHING_READ
        text = "".join(self._characters[best[column]] for column in columns)
        middles = (columns + 0.5) * (padded.shape[3] / len(best) / width)
        return Reading(in_one_script(text), _spans(middles), likelihoods[columns, best[columns]])


def cut_line(picture: Pixels, quad: Quad) -> Pixels:
    """The line within the quad, upright: (H, W, 3)."""
    width = max(round(float(max(np.linalg.norm(quad[1] - quad[0]), np.linalg.norm(quad[2] - quad[3])))), 1)
    height = max(round(float(max(np.linalg.norm(quad[3] - quad[0]), np.linalg.norm(quad[2] - quad[1])))), 1)
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    there = cv2.getPerspectiveTransform(quad, target)
    cut = cv2.warpPerspective(picture, there, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)


def _spans(middles: NDArray[np.float64]) -> NDArray[np.float32]:
    """(C, 2) of the middles of C characters: each reaches half way to its neighbours, the outer ones as far out."""
    if len(middles) == 1:
        return np.array([[0, 1]], np.float32)
    between = (middles[1:] + middles[:-1]) / 2
    begins = np.concatenate([[2 * middles[0] - between[0]], between])
    ends = np.concatenate([between, [2 * middles[-1] - between[-1]]])
    spans: NDArray[np.float32] = np.clip(np.stack([begins, ends], axis=1), 0, 1).astype(np.float32)
    return spans

"""What a line of text says, by a network that gives each column of it a character or none (CTC, Graves et al. 2006)."""

from __future__ import annotations

import re

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.extractor import Pixels
from deployments.ocr.bundled_models import Network
from deployments.ocr.text_line import NOTHING_READ, Quad, Reading

HEIGHT = 48  # pixels that the network reads
LEAST_WIDTH, MOST_WIDTH = 160, 3200  # pixels: it was trained on lines, and a long thin region is no text
BLANK = 0

TO_GREEK = str.maketrans(
    "ABEHIKMNOPTXYZo\u4e09",
    "\u0391\u0392\u0395\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a7\u03a5\u0396\u03bf\u039e",
)
GREEK = re.compile("[\u0370-\u03ff]")
RUN = re.compile(r"\w+")
LATIN_ALONE = re.compile("[CDFGJLQRSUVWa-np-z\u00c0-\u02af]")  # what no Greek letter looks like


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


def in_one_script(text: str) -> str:
    """The line with words that mix both scripts, and words of look-alikes beside Greek ones, in Greek. A word with a
    letter that only Latin has stays as it is. The number of characters does not change.

    A network that reads both takes a capital omicron for an O, so that a Greek word comes out half Latin, and no search
    for it finds it. Which letters look alike: UTS #39, "Unicode Security Mechanisms", confusables; of capitals those
    that are the same glyph in common fonts, and what the network takes a capital xi for.
    """
    if not GREEK.search(text):
        return text
    return RUN.sub(lambda run: run[0] if LATIN_ALONE.search(run[0]) else run[0].translate(TO_GREEK), text)


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
    return np.asarray(np.clip(np.stack([begins, ends], axis=1), 0, 1), np.float32)

"""A line of text as it was read, and its words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.ocr.word_splitting import split_words

SPARSE = 0.5  # letters to a line's height: Latin has 1.5 to 2, Chinese 0.7 to 1

Quad = NDArray[np.float32]  # (4, 2) x, y in pixels, clockwise from the top left of what is written


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a recogniser makes of a line of C characters, spaces among them.

    spans: (C, 2) float32, where each begins and ends, in parts of the line's width. confidences: (C,) float32, 0 to 1.
    """

    text: str
    spans: NDArray[np.float32]
    confidences: NDArray[np.float32]

    def confidence_over(self, width: float) -> float:
        """The mean of its letters and digits; less where they are few for a line of ``width`` times its height, as is
        what a recogniser reads in a script that it does not know.
        """
        of_letters = [self.confidences[place] for place, letter in enumerate(self.text) if letter.isalnum()]
        return float(np.mean(of_letters)) * min(len(of_letters) / (SPARSE * width), 1.0) if of_letters else 0.0


NOTHING_READ = Reading("", np.empty((0, 2), np.float32), np.empty(0, np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class WrittenWord:
    """box: the part of the line's quad that the word takes."""

    text: str
    box: Quad
    confidence: float


def words_of(reading: Reading, quad: Quad, least_confidence: float) -> list[WrittenWord]:
    """The words that were read with at least ``least_confidence``, the mean of their characters', in reading order."""
    words = []
    for text, start, end in split_words(reading.text):
        confidence = float(reading.confidences[start:end].mean())
        if confidence >= least_confidence:
            box = _part_of(quad, float(reading.spans[start, 0]), float(reading.spans[end - 1, 1]))
            words.append(WrittenWord(text, box, confidence))
    return words


def _part_of(quad: Quad, begin: float, end: float) -> Quad:
    """The quad between two places along the line, in parts of its width."""
    top_left, top_right, bottom_right, bottom_left = quad.astype(np.float64)
    top, bottom = top_right - top_left, bottom_right - bottom_left
    corners = [top_left + begin * top, top_left + end * top, bottom_left + end * bottom, bottom_left + begin * bottom]
    return np.array(corners, np.float32)

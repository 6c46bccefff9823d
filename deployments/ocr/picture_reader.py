"""The words of a picture: its lines are found, and each is read in the way that is surest of what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deployments.extractor import Pixels
from deployments.ocr.bundled_models import Network, model_files
from deployments.ocr.line_detector import LineDetector
from deployments.ocr.line_recogniser import LineRecogniser, cut_line
from deployments.ocr.tesseract import Tesseract
from deployments.ocr.text_line import Quad, Reading, WrittenWord, words_of

SURE = 0.9  # confidence from which a line is not looked at again
SURE_UPSIDE_DOWN = 0.8  # turned, a line of another script reads as letters of 0.5 to 0.7
OTHERS_LEAD = 0.2  # Tesseract is less sure of what is right, 0.6 to 0.9, than the network is of a look-alike

ReadLine = Callable[[Pixels], Reading]


@dataclass(frozen=True, slots=True, eq=False)
class PictureReader:
    """Thread-safe. find: the quads of a picture's lines; read: the bundled network; read_others: other scripts."""

    find: Callable[[Pixels], list[Quad]]
    read: ReadLine
    read_others: ReadLine | None
    least_confidence: float

    def words(self, picture: Pixels) -> Iterator[tuple[int, WrittenWord]]:
        """With the number of the line that each stands in. picture: (H, W, 3) RGB."""
        number = 0
        for quad in self.find(picture):
            words = words_of(*self._surest(picture, quad), self.least_confidence)
            yield from ((number, word) for word in words)
            number += bool(words)

    def _surest(self, picture: Pixels, quad: Quad) -> tuple[Reading, Quad]:
        """A line that is not read with certainty may be upside down, or in another script."""
        line = cut_line(picture, quad)
        width = line.shape[1] / line.shape[0]
        upright = self.read(line)
        confidence = upright.confidence_over(width)
        if confidence >= SURE:
            return upright, quad
        turned = self.read(np.ascontiguousarray(line[::-1, ::-1]))
        if turned.confidence_over(width) > max(confidence, SURE_UPSIDE_DOWN):
            return turned, np.roll(quad, 2, axis=0)
        if self.read_others is not None:
            other = self.read_others(line)
            if other.confidence_over(width) + OTHERS_LEAD > confidence:
                return other, quad
        return upright, quad


def picture_reader(
    *, long_side_px: int, most_lines: int, least_confidence: float, languages: Sequence[Path], threads: int
) -> PictureReader:
    """languages: the files of `deployments.ocr.tesseract.language_files`. threads: cores that a network's run takes.
    Raises `ExtractorUnavailable`.
    """
    detector, recogniser = model_files()
    return PictureReader(
        find=LineDetector(Network(detector, threads), long_side_px, most_lines),
        read=LineRecogniser(Network(recogniser, threads)),
        read_others=Tesseract(languages) if languages else None,
        least_confidence=least_confidence,
    )

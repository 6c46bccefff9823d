"""Where the lines of text are: the quads around them.

Method: differentiable binarisation (Liao et al., AAAI 2020), as PP-OCRv6 was trained for it: a map of how likely each
pixel is text, its connected regions, the smallest rectangle around each, enlarged by what training had shrunk it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.extractor import Pixels
from deployments.ocr.bundled_models import Network, optional_module
from deployments.ocr.text_line import Quad

# Lower than the 0.3 and 0.5 of the package, whose use is documents: over photographs, and of letters of 9 pixels, that
# finds what it misses, and the recogniser drops what is no text after all.
TEXT_LIKELIHOOD = 0.2  # of a pixel
LINE_LIKELIHOOD = 0.3  # mean over a rectangle
ENLARGEMENT = 1.6  # of a region, to every side: times its area over its outline
MOST_REGIONS = 1000
STEP = 32  # pixels: the network's sides are multiples of it
STANDING = 1.5  # height to width from which a line is taken to be written from top to bottom
SAME_ROW = 0.5  # of a line's height: lines whose middles are nearer than that stand side by side


class LineDetector:
    """Thread-safe."""

    def __init__(self, network: Network, long_side_px: int, most_lines: int) -> None:
        """long_side_px: larger pictures are shrunk to it. Raises `ExtractorUnavailable`."""
        regions = optional_module("rapidocr.ch_ppocr_det.utils").DBPostProcess
        self._network = network
        self._long_side_px = long_side_px
        self._most_lines = most_lines
        self._regions = regions(TEXT_LIKELIHOOD, LINE_LIKELIHOOD, MOST_REGIONS, ENLARGEMENT, use_dilation=True)

    def __call__(self, picture: Pixels) -> list[Quad]:
        """Of an (H, W, 3) RGB picture, the largest lines in reading order."""
        likelihood = self._network(self._input(picture))
        found, _ = self._regions(likelihood, picture.shape[:2])
        quads = [_from_top_left(np.asarray(quad, np.float32)) for quad in found]
        return _in_reading_order(sorted(quads, key=_area, reverse=True)[: self._most_lines])

    def _input(self, picture: Pixels) -> NDArray[np.float32]:
        height, width = picture.shape[:2]
        shrink = min(self._long_side_px / max(height, width), 1.0)
        size = [max(round(side * shrink / STEP), 1) * STEP for side in (width, height)]
        resized = cv2.resize(picture[:, :, ::-1], size, interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(resized.astype(np.float32).transpose(2, 0, 1)[None]) / np.float32(127.5) - 1


def _sides(quad: Quad) -> tuple[float, float]:
    """Width and height in pixels."""
    return float(np.linalg.norm(quad[1] - quad[0])), float(np.linalg.norm(quad[3] - quad[0]))


def _area(quad: Quad) -> float:
    width, height = _sides(quad)
    return width * height


def _from_top_left(quad: Quad) -> Quad:
    """From the top left of what is written, of a quad that begins at its own."""
    width, height = _sides(quad)
    return np.roll(quad, -1, axis=0) if height >= STANDING * width else quad


def _in_reading_order(quads: list[Quad]) -> list[Quad]:
    """From top to bottom, those of a row from left to right."""
    rows: list[list[Quad]] = []
    for quad in sorted(quads, key=lambda quad: float(quad[:, 1].mean())):
        middle, height = float(quad[:, 1].mean()), min(_sides(quad))
        if rows and middle - float(rows[-1][-1][:, 1].mean()) < SAME_ROW * height:
            rows[-1].append(quad)
        else:
            rows.append([quad])
    return [quad for row in rows for quad in sorted(row, key=lambda quad: float(quad[:, 0].mean()))]

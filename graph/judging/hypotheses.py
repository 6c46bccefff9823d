"""The ways in which a query may show a stored picture, each with the evidence for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from graph.judging.colors import Chroma, Rgb, chroma
from graph.judging.evidence import Evidence, Placed, is_telling, keypoint_evidence, pixel_evidence
from graph.judging.pixels import Comparison, Gray, compare
from graph.judging.placement import Size, between, whole_in_whole
from graph.judging.views import Square, best_view, square

Floats = NDArray[np.float64]


LOOKS_ALIKE = 0.3  # correlation of two pictures shrunk to a square: of 1,157 copies none has less than 0.39


@dataclass(frozen=True, eq=False)
class Picture:
    """size: of the picture itself. gray: the same picture at any size, as large as it is at hand. rgb: gives it in
    colours at any size, stretched or not; None where they are not known.
    """

    size: Size
    gray: Gray
    rgb: Callable[[], Rgb] | None = None

    @cached_property
    def square(self) -> Square:
        return square(self.gray)

    @cached_property
    def chroma(self) -> Chroma | None:
        return None if self.rgb is None else chroma(self.rgb())


def stored_picture(size: Size, thumbnail: bytes) -> Picture | None:
    """None where there is no thumbnail, or one that cannot be read, of which nothing can be told."""
    try:
        gray = np.ascontiguousarray(simplejpeg.decode_jpeg(thumbnail, "GRAY")[:, :, 0])
    except ValueError:
        return None
    size = size if all(size) else (gray.shape[1], gray.shape[0])
    return Picture(size, gray, lambda: np.asarray(simplejpeg.decode_jpeg(thumbnail, "RGB"), np.uint8))


@dataclass(frozen=True, slots=True, eq=False)
class Hypothesis:
    """homography: (3, 3) pixels of the stored picture to pixels of the query. compared: None where nothing could be."""

    homography: Floats
    evidence: Evidence
    compared: Comparison | None

    @property
    def is_telling(self) -> bool:
        return self.compared is not None and "median" in self.evidence and is_telling(self.compared)


def hypotheses(
    query: Picture, stored: Picture, placed: Placed | None, further: Mapping[str, float]
) -> Iterator[Hypothesis]:
    """As the keypoints say; and that all of one is all of the other, if they look at all alike. further: evidence that
    is not of a place.
    """
    if placed is not None:
        yield _hypothesis(query, stored, placed.homography, {**keypoint_evidence(placed), **further})
    view, alike = best_view(query.square, stored.square)
    if alike >= LOOKS_ALIKE:
        yield _hypothesis(query, stored, whole_in_whole(view, stored.size, query.size), further)


def _hypothesis(query: Picture, stored: Picture, homography: Floats, evidence: Evidence) -> Hypothesis:
    shown = between(homography, (stored.size, _size(stored.gray)), (query.size, _size(query.gray)))
    compared = compare(query.gray, stored.gray, shown)
    of_pixels = {} if compared is None else pixel_evidence(compared)
    return Hypothesis(homography, {**evidence, **of_pixels}, compared)


def _size(gray: Gray) -> Size:
    return gray.shape[1], gray.shape[0]

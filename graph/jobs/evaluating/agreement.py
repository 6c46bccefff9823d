"""Whether two files show one photograph, told from more pixels than a search has.

A search compares the query with a thumbnail of 256 pixels. An evaluation has the files: what was found beside the
picture that was looked for is held against its own file at twice that size, so that a copy in the collection is no
wrong answer, and two pages of one layout are.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.pictures.images import WorkingImage
from deployments.pictures.pixel_kernels import luma
from graph.judging.evidence import is_telling
from graph.judging.pixels import compare
from graph.judging.placement import between, whole_in_whole
from graph.judging.views import best_view, square
from lookalike_client.answers import SearchResult
from lookalike_client.matches import KeypointMatch, Match

Gray = NDArray[np.uint8]  # (H, W)
Floats = NDArray[np.float64]

SIDE = 512  # pixels
FEWEST_BLOCKS = 6
AGREES = 0.6  # of the blocks' correlations, the middle one
AGREES_CLOSELY = 0.85  # a block where nothing was changed
LEFT_ALONE = 0.3  # of the blocks, where something was laid over the rest


def is_one_photograph(query: WorkingImage, stored: WorkingImage, found: SearchResult) -> bool:
    """found: what the search said of the stored picture, as far as it says where that lies in the query."""
    grays = _gray(query), _gray(stored)
    sizes = (query.width, query.height), (stored.width, stored.height)
    for homography in _maps(found, *sizes, *grays):
        shown = between(homography, (sizes[1], _size(grays[1])), (sizes[0], _size(grays[0])))
        compared = compare(*grays, shown)
        if compared is None:
            continue
        told = compared.correlation[compared.told]
        if len(told) < FEWEST_BLOCKS or not is_telling(compared):
            continue
        if np.median(told) >= AGREES or np.mean(told >= AGREES_CLOSELY) >= LEFT_ALONE:
            return True
    return False


def _maps(
    found: SearchResult, query: tuple[int, int], stored: tuple[int, int], query_gray: Gray, stored_gray: Gray
) -> Iterator[Floats]:
    """From pixels of the stored picture to pixels of the query: as keypoints say, and that all of one is all of the
    other.
    """
    for match in map(Match.of, found.matches.values()):
        if isinstance(match, KeypointMatch):
            yield np.array(match.homography, np.float64)
    view, _ = best_view(square(query_gray), square(stored_gray))
    yield whole_in_whole(view, stored, query)


def _gray(image: WorkingImage) -> Gray:
    gray = luma(image.pixels)
    scale = SIDE / max(gray.shape)
    if scale >= 1:
        return gray
    size = max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale))
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)


def _size(gray: Gray) -> tuple[int, int]:
    return gray.shape[1], gray.shape[0]

"""What is known of two pictures, as numbers: what the probability that they are one photograph is computed from.

A number that is not known, because the extractor that it comes from is not there or found nothing, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from graph.judging.pixels import LEAST_DETAIL, Comparison
from graph.judging.placement import Size, outline_in_stored
from storage.keypoints.fit import Fit

Floats = NDArray[np.float64]
Evidence = Mapping[str, float]

OF_KEYPOINTS = frozenset({"unplaced", "inliers", "inlier_share", "error", "bend", "skew"})
OF_HASHES = frozenset({"surprise"})

AGREES = 0.6  # correlation of a block
AGREES_CLOSELY = 0.85
FEWEST_BLOCKS = 3
FEWEST_PLACED = 4  # agreeing blocks with corners, from which a shift can be told
LEAST_CORNER = 1.0  # gray levels squared

MANY_DRAWN = 0.3  # of the blocks that show something
# That agree closely without being drawn; no two windows of one program have so many:
LEAST_PICTURE = 0.2  # of the blocks that show something
PICTURE_OF_DRAWN = 0.45  # of as many as are drawn
FEWEST_DRAWN = 32  # blocks; blank pages of one kind agree in fewer
FEWEST_PICTURE = 3  # blocks; of those pages one may be, by chance
LEAST_GROUND = 0.25  # of a page or a window that is of one brightness; a plain sky shades off
PLAIN_DETAIL = 12.0  # gray levels; where one picture has that, a copy has some of it left
CLEAR_DETAIL = 5.0  # gray levels; fainter detail is lost in compression, blur and noise


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Where keypoints put the stored picture. homography: (3, 3) pixels of the stored picture to pixels of the
    query. reach: (4, 2) corners of the part of the stored picture that they lie in.
    """

    inliers: int
    fit: Fit
    homography: Floats
    reach: Floats

    @classmethod
    def of(cls, inliers: int, match: Mapping[str, Any], stored: Size, query: Size) -> Self | None:
        """From a match of keypoints as a search has it; None of one that does not say how well they lie."""
        if "matched" not in match:
            return None
        homography = np.array(match["homography"], np.float64)
        fit = Fit(match["matched"], match["error"], match["bend"])
        return cls(inliers, fit, homography, outline_in_stored(homography, stored, query))


def keypoints_placed(placed: Placed | None) -> Evidence:
    """Of keypoints that were looked for: that they put the stored picture nowhere says something, too."""
    return {"unplaced": float(placed is None)}


def keypoint_evidence(placed: Placed) -> Evidence:
    """How many keypoints agree, how well, and on how simple a map."""
    return {
        "inliers": float(np.log(placed.inliers)),
        "inlier_share": placed.inliers / max(placed.fit.matched, placed.inliers),
        "error": placed.fit.error,
        "bend": float(np.log(np.clip(placed.fit.bend, 0.1, 1e3))),
        "skew": float(np.log(_skew(placed.homography, placed.reach) + 1e-4)),
    }


def pixel_evidence(compared: Comparison) -> Evidence:
    """How well the blocks agree that show something."""
    told = compared.told
    count = int(np.count_nonzero(told))
    if count < FEWEST_BLOCKS:
        return {}
    correlation = compared.correlation[told]
    agreeing = correlation > AGREES
    found = {
        "blocks": float(np.log(count)),
        "flat": 1 - count / len(told),
        "median": float(np.median(correlation)),
        "tenth": float(np.percentile(correlation, 10)),
        "quarter": float(np.percentile(correlation, 25)),
        "agreeing": float(agreeing.mean()),
        "close": float((correlation > AGREES_CLOSELY).mean()),
        "moved": float(compared.moved[told].mean()),
        "brightness": float(np.percentile(np.abs(compared.offset), 90)),
    }
    # Of pages and windows what they have in common is their form. So what differs counts by how much is empty ground.
    found["page_parts"] = compared.ground * (1 - found["agreeing"])
    found["page_blocks"] = compared.ground * (1 - max(0.0, found["tenth"]))
    if agreeing.any():
        found["agreement"] = float(np.median(correlation[agreeing]))
    placed = agreeing & (compared.strength[told] > LEAST_CORNER)
    if np.count_nonzero(placed) >= FEWEST_PLACED:
        shifts = np.linalg.norm(compared.shift[told][placed], axis=1)
        found["shift"] = float(np.median(shifts))
        found["most_shift"] = float(np.percentile(shifts, 85))
        sharper, softer = np.percentile(np.log(compared.sharpness[told][placed]), (90, 10))
        found["focus"] = float(max(0.0, min(sharper, -softer)))
    return found


def is_telling(compared: Comparison) -> bool:
    """Whether the two share more than a form, as two pages in one layout do, two windows of one program, and two dark
    frames with the time in a corner: letters and lines that agree prove something only where none differ.
    """
    told = compared.told
    correlation, drawn = compared.correlation[told], compared.drawn[told]
    is_picture = ~drawn & (correlation > AGREES_CLOSELY)
    share = drawn.mean()
    if share < MANY_DRAWN or is_picture.mean() >= max(LEAST_PICTURE, PICTURE_OF_DRAWN * share):
        return True
    is_large = len(drawn) >= FEWEST_DRAWN
    if is_large and compared.ground < LEAST_GROUND:
        return True
    detail, fainter = compared.detail[told], compared.fainter[told]
    in_one = (detail >= PLAIN_DETAIL) & (fainter < LEAST_DETAIL)
    differs = (correlation < AGREES) & ((fainter >= CLEAR_DETAIL) | in_one)
    return not differs.any() and (is_large or is_picture.sum() >= FEWEST_PICTURE)


def _skew(homography: Floats, reach: Floats) -> float:
    """How far the map is from turning, scaling and moving alone, as a share of what it makes of ``reach``."""
    (left, top), (right, bottom) = reach.min(axis=0), reach.max(axis=0)
    across, down = np.meshgrid(np.linspace(left, right, 5), np.linspace(top, bottom, 5))
    points = np.stack([across.ravel(), down.ravel()], axis=1)
    lifted = points @ homography[:, :2].T + homography[:, 2]
    seen = lifted[:, :2] / lifted[:, 2:]
    source, target = points @ np.array([1, 1j]), seen @ np.array([1, 1j])
    source, target = source - source.mean(), target - target.mean()
    size = float(np.abs(target).max()) or 1.0
    misses = []
    for side in (source, source.conj()):  # as it is, and mirrored
        turn = (side.conj() @ target) / max(float((np.abs(side) ** 2).sum()), 1e-9)
        misses.append(float(np.abs(turn * side - target).max()))
    return min(misses) / size

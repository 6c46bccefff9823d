"""How well one map explains where keypoints lie: what tells a copy of a photograph from another shot of the same thing.

Keypoints of a copy lie where the map says, but for the error of finding them, which goes every way. Between two shots
from different places near things move against far ones: the errors are larger, and neighbours err alike.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from storage.keypoints.plane_maps import Floats, Pairs, transformed

FEWEST = 24  # pairs from which a bend can be told
FAR = 3.0  # errors, beyond which a pair counts little


class Fit(NamedTuple):
    """matched: keypoints that looked alike, those that the map explains among them. error: the median distance from
    where it puts them, in units of what finding a keypoint errs by. bend: how much better a curved map would explain
    them, as an F statistic; about 1 where it would not, and where there are too few to tell.
    """

    matched: int
    error: float
    bend: float


def fit_of(homography: Floats, pairs: Pairs, matched: int) -> Fit:
    """pairs: those that the map explains, at least one."""
    off = pairs.target - transformed(homography, pairs.source)
    errors = np.linalg.norm(off, axis=1) / pairs.errors
    return Fit(matched, round(float(np.median(errors)), 4), round(_bend(pairs, off, errors), 4))


def _bend(pairs: Pairs, off: Floats, errors: Floats) -> float:
    """Of the misses (N, 2), what a polynomial of the third degree explains beyond a straight one, by degree of freedom,
    to what is left.
    """
    count = len(off)
    if count < FEWEST:
        return 1.0
    weights = (1 / pairs.errors / np.sqrt(1 + (errors / FAR) ** 2))[:, None]
    around = pairs.source - pairs.source.mean(axis=0)
    x, y = (around / max(float(around.std()), 1e-6)).T
    terms = np.stack([np.ones(count), x, y, x * x, x * y, y * y, x**3, x * x * y, x * y * y, y**3], axis=1) * weights
    misses = off * weights
    left = misses - terms @ np.linalg.lstsq(terms, misses, rcond=None)[0]
    whole, rest = float(np.square(misses).sum()), float(np.square(left).sum())
    curved, straight = terms.shape[1], 4  # a similarity's, which the map has at least
    explained = (whole - rest) / (2 * (curved - straight))
    return float(explained / max(rest / (2 * (count - curved)), 1e-9))

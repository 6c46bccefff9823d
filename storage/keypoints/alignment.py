"""Whether two pictures show the same thing: keypoints matched, and a homography that explains the matches.

Mutual nearest neighbours that pass Lowe's ratio test (IJCV 2004); of them those that agree on one turn, size and place;
a homography by MAGSAC++ (Barath et al., CVPR 2020); then the simplest map that explains its inliers
(`storage.keypoints.plane_maps`). Pure functions over arrays. A homography here takes pixels of the stored picture to
pixels of the query.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from storage.keypoints.fit import Fit, fit_of
from storage.keypoints.plane_maps import Floats, Pairs, simplest_map, transfer_errors, transformed

Places = NDArray[np.intp]

RATIO = 0.85  # of the distances to the nearest and the second nearest keypoint
LEAST_MATCHES = 4
MOST_HYPOTHESES = 400  # matches tried as hypotheses
ANGLE_TOLERANCE = 0.6  # radians between the turns of two matches of one view
SIZE_TOLERANCE = 0.6  # natural logarithm of the ratio of their sizes
PLACE_TOLERANCE = 8.0, 0.25  # pixels of the query, and of each pixel away from the match that predicts
INLIER_SIGMAS = 1.2  # how far from its place a keypoint may lie, in sigmas of the matches' median keypoint
INLIER_RANGE = 0.75, 12.0  # pixels
RANSAC_ITERATIONS, RANSAC_CONFIDENCE = 2000, 0.999
LOCATION_ERROR = 0.12  # of a keypoint's sigma; typical error of its place
LEAST_ERROR = 0.05  # pixels
MOST_ZOOM = 40.0
MOST_SKEW = 6.0  # ratio of the largest to the smallest magnification


@dataclass(frozen=True, slots=True, eq=False)
class DescribedKeypoints:
    """N keypoints of one picture, seen from one side.

    vectors: (N, D) float32 descriptors in any unit. points: (N, 2) pixels. sigmas: (N,) pixels. angles: (N,) radians,
    from x to y.
    """

    vectors: NDArray[np.float32]
    points: Floats
    sigmas: Floats
    angles: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """inliers: how many matches it explains. homography: (3, 3), stored to query. pairs: (inliers, 2) rows of the query
    and the stored keypoints. fit: how well it explains them.
    """

    inliers: int
    homography: Floats
    pairs: Places
    fit: Fit


def match(
    query: DescribedKeypoints,
    stored: DescribedKeypoints,
    squared: NDArray[np.float32] | None = None,
    ratio: float = RATIO,
) -> Places:
    """(M, 2) rows of query and stored that are each other's nearest and pass the ratio test.

    squared: (N, M) their squared distances, where those are at hand.
    """
    if len(query.vectors) < 2 or len(stored.vectors) < 2:
        return np.zeros((0, 2), np.intp)
    distances = squared_distances(query.vectors, stored.vectors) if squared is None else squared
    rows = np.arange(len(distances))
    nearest = distances.argmin(axis=1)
    two = np.partition(distances, 1, axis=1)[:, :2]
    passes = (distances.argmin(axis=0)[nearest] == rows) & (two[:, 0] < ratio**2 * two[:, 1])
    return np.stack([rows[passes], nearest[passes]], axis=1)


def squared_distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, M) squared distances of (N, D) and (M, D); exact for levels of 4 bits."""
    products: NDArray[np.float32] = a @ b.T
    products *= -2
    products += np.square(a).sum(axis=1)[:, None]
    products += np.square(b).sum(axis=1)
    return products


def align(query: DescribedKeypoints, stored: DescribedKeypoints, pairs: Places) -> Alignment | None:
    """The view of the stored picture that explains most of the matches (M, 2); None where too few agree on any."""
    matched = len(pairs)
    pairs = pairs[_largest_agreement(query, stored, pairs)]
    if len(pairs) < LEAST_MATCHES:
        return None
    source, target = stored.points[pairs[:, 1]], query.points[pairs[:, 0]]
    sigmas = query.sigmas[pairs[:, 0]]
    tolerance = float(np.clip(INLIER_SIGMAS * np.median(sigmas), *INLIER_RANGE))
    inside = _consensus(source, target, tolerance)
    if np.count_nonzero(inside) < LEAST_MATCHES:
        return None
    errors = np.maximum(LOCATION_ERROR * sigmas, LEAST_ERROR)
    homography = simplest_map(Pairs(source[inside], target[inside], errors[inside]))
    if homography is None:
        return None
    within = transfer_errors(homography, source, target) <= tolerance
    inliers = _distinct(pairs[within], query, stored)
    if len(inliers) < LEAST_MATCHES or not _is_a_view(homography, source[within]):
        return None
    located = Pairs(
        stored.points[inliers[:, 1]],
        query.points[inliers[:, 0]],
        np.maximum(LOCATION_ERROR * query.sigmas[inliers[:, 0]], LEAST_ERROR),
    )
    return Alignment(len(inliers), homography, inliers, fit_of(homography, located, matched))


def _largest_agreement(query: DescribedKeypoints, stored: DescribedKeypoints, pairs: Places) -> Places:
    """Of the matches, those that agree with the one that most agree with. One match says it all: how the picture is
    turned, scaled and moved.
    """
    if len(pairs) < LEAST_MATCHES:
        return np.zeros(0, np.intp)
    source = stored.points[pairs[:, 1]] @ np.array([1, 1j])
    target = query.points[pairs[:, 0]] @ np.array([1, 1j])
    turns = query.angles[pairs[:, 0]] - stored.angles[pairs[:, 1]]
    zooms = np.log(query.sigmas[pairs[:, 0]] / stored.sigmas[pairs[:, 1]])
    first = np.arange(len(pairs))[:MOST_HYPOTHESES, None]
    similarity = np.exp(zooms[first] + 1j * turns[first])
    errors = np.abs(similarity * (source - source[first]) + target[first] - target)
    reach = PLACE_TOLERANCE[0] + PLACE_TOLERANCE[1] * np.abs(target - target[first])
    turned = np.abs((turns - turns[first] + np.pi) % (2 * np.pi) - np.pi)
    agree = (errors < reach) & (turned < ANGLE_TOLERANCE) & (np.abs(zooms - zooms[first]) < SIZE_TOLERANCE)
    return np.flatnonzero(agree[agree.sum(axis=1).argmax()])


def _consensus(source: Floats, target: Floats, tolerance: float) -> NDArray[np.bool_]:
    """(N,) the matches that one homography explains. MAGSAC refuses one that mirrors the picture."""
    found, mask = cv2.findHomography(
        source, target, cv2.USAC_MAGSAC, tolerance, None, RANSAC_ITERATIONS, RANSAC_CONFIDENCE
    )
    return np.zeros(len(source), np.bool_) if found is None else np.asarray(mask, np.bool_).ravel()


def _distinct(pairs: Places, query: DescribedKeypoints, stored: DescribedKeypoints) -> Places:
    """One match for each place of either picture: a keypoint with two directions is one piece of evidence."""
    for side, view in ((0, query), (1, stored)):
        places = np.rint(view.points[pairs[:, side]]).astype(np.int64)
        _, first = np.unique(places, axis=0, return_index=True)
        pairs = pairs[np.sort(first)]
    return pairs


def _is_a_view(homography: Floats, points: Floats) -> bool:
    """Whether a camera could see the picture so: not mirrored, not folded over, not shrunken to a line."""
    depth = points @ homography[2, :2] + homography[2, 2]
    if not (depth > 0).all():
        return False
    center = points.mean(axis=0)
    at = transformed(homography, center[None])[0]
    jacobian = (homography[:2, :2] - at[:, None] * homography[2, :2]) / (homography[2, :2] @ center + homography[2, 2])
    if not np.isfinite(jacobian).all() or np.linalg.det(jacobian) <= 0:
        return False
    largest, smallest = np.linalg.svd(jacobian, compute_uv=False)
    return bool(smallest > 1 / MOST_ZOOM and largest < MOST_ZOOM and largest < MOST_SKEW * smallest)

"""Maps between two planes fitted to pairs of points: similarity, affine map, homography, and which of them to believe.

The simplest that explains the points is taken, by the Bayesian information criterion: a crop is a similarity, and
eight parameters from twenty keypoints would put its corners anywhere. Every pair counts by how well it is located, and
the less the farther off it lies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

REWEIGHTINGS = 8
DEPTH_PASSES = 3
CAUCHY = 3.0  # errors of a pair, in units of its own, beyond which it counts little
LEAST_DEPTH = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """source, target: (N, 2). errors: (N,) how far off each may typically lie in the target."""

    source: Floats
    target: Floats
    errors: Floats


Fit = Callable[[Pairs, Floats], Floats | None]  # a (3, 3) map by weighted least squares, weights: (N,)


def simplest_map(pairs: Pairs) -> Floats | None:
    """The (3, 3) map from source to target; None where none can be had."""
    shift, _ = _normalizing(pairs.source)
    scale, unscale = _normalizing(pairs.target)
    near = Pairs(transformed(shift, pairs.source), transformed(scale, pairs.target), scale[0, 0] * pairs.errors)
    best, least = None, np.inf
    for fit, parameters in ((_similarity, 4), (_affine, 6), (_homography, 8)):
        found = _robust(fit, near)
        if found is not None and _cost(found, near) + parameters * np.log(2 * len(near.source)) < least:
            best, least = found, _cost(found, near) + parameters * np.log(2 * len(near.source))
    if best is None:
        return None
    whole: Floats = unscale @ best @ shift
    return whole / whole[2, 2] if whole[2, 2] else whole


def transformed(homography: Floats, points: Floats) -> Floats:
    """(N, 2) points under a homography; not finite where they go to infinity."""
    lifted = points @ homography[:, :2].T + homography[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(lifted[:, :2] / lifted[:, 2:], np.float64)


def transfer_errors(homography: Floats, source: Floats, target: Floats) -> Floats:
    """(N,) how far from its target each source comes to lie."""
    off = np.linalg.norm(transformed(homography, source) - target, axis=1)
    return np.where(np.isfinite(off), off, np.inf)


def _robust(fit: Fit, pairs: Pairs) -> Floats | None:
    weights = 1 / pairs.errors
    for _ in range(REWEIGHTINGS):
        found = fit(pairs, weights)
        if found is None or not np.isfinite(found).all():
            return None
        residuals = transfer_errors(found, pairs.source, pairs.target) / pairs.errors
        weights = 1 / pairs.errors / np.sqrt(1 + (residuals / CAUCHY) ** 2)
    return found


def _cost(model: Floats, pairs: Pairs) -> float:
    """Twice the negative logarithm of the likelihood, of errors that have Cauchy's distribution."""
    residuals = transfer_errors(model, pairs.source, pairs.target) / pairs.errors
    return float((CAUCHY**2 * np.log1p((residuals / CAUCHY) ** 2)).sum())


def _similarity(pairs: Pairs, weights: Floats) -> Floats:
    x, y = pairs.source.T
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    a, b, c, d = _solved(rows, pairs.target, weights)
    return np.array([[a, -b, c], [b, a, d], [0, 0, 1.0]])


def _affine(pairs: Pairs, weights: Floats) -> Floats:
    x, y = pairs.source.T
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows = np.concatenate([np.stack([x, y, one, zero, zero, zero], 1), np.stack([zero, zero, zero, x, y, one], 1)])
    return np.vstack([_solved(rows, pairs.target, weights).reshape(2, 3), [0, 0, 1.0]])


def _homography(pairs: Pairs, weights: Floats) -> Floats | None:
    x, y = pairs.source.T
    u, v = pairs.target.T
    zero, one = np.zeros_like(x), np.ones_like(x)
    first = np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], 1)
    second = np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], 1)
    depth = one
    for _ in range(DEPTH_PASSES):  # algebraic errors divided by the depth of the last map are distances
        values = _solved(np.concatenate([first, second]), pairs.target, weights / depth)
        depth = values[6] * x + values[7] * y + 1
        if (depth < LEAST_DEPTH).any():
            return None
    return np.append(values, 1.0).reshape(3, 3)


def _solved(rows: Floats, target: Floats, weights: Floats) -> Floats:
    """Weighted least squares; rows: (2 N, P), those of x before those of y."""
    both = np.concatenate([weights, weights])
    solution = np.linalg.lstsq(rows * both[:, None], target.T.ravel() * both, rcond=None)[0]
    return np.asarray(solution, np.float64)


def _normalizing(points: Floats) -> tuple[Floats, Floats]:
    """A map that brings the points around the origin, at about unit distance, and its inverse."""
    center = points.mean(axis=0)
    scale = float(np.sqrt(2) / max(np.linalg.norm(points - center, axis=1).mean(), 1e-6))
    there = np.array([[scale, 0, -scale * center[0]], [0, scale, -scale * center[1]], [0, 0, 1.0]])
    back = np.array([[1 / scale, 0, center[0]], [0, 1 / scale, center[1]], [0, 0, 1.0]])
    return there, back

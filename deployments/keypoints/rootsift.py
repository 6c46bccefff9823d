"""RootSIFT: 4 x 4 cells of 8 gradient directions around a keypoint, as square roots of shares.

SIFT after Lowe, IJCV 2004; the square root after Arandjelovic and Zisserman, "Three things everyone should know to
improve object retrieval", CVPR 2012. The gradients are taken on a patch that is already turned and scaled, a fixed
number of samples whatever the scale.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.keypoints.patches import Patches
from storage.compiled import CompiledLoop, compiled

CELLS, DIRECTIONS = 4, 8
DIM = CELLS * CELLS * DIRECTIONS
CELL_SIGMAS = 3.0  # width of a cell
SAMPLES = 24  # gradients along a side of the patch, over five cells: half a cell more than the outermost on each side
PATCH_SIDE = SAMPLES + 2
SPACING = (CELLS + 1) * CELL_SIGMAS / SAMPLES  # sigmas
CLIP = 0.2


def rootsift(patches: Patches) -> NDArray[np.float32]:
    """(N, 128) unit norm, of (N, 26, 26) patches at `SPACING`; zero for a patch without any gradient."""
    histograms = np.zeros((len(patches), DIM), np.float32)
    _histograms()(patches, _cell_weights(), histograms)
    norms = np.sqrt(np.square(histograms, dtype=np.float64).sum(axis=1, keepdims=True))
    clipped = np.minimum(histograms / np.maximum(norms, 1e-6), CLIP)
    sums = clipped.sum(axis=1, keepdims=True)
    return np.asarray(np.sqrt(clipped / np.maximum(sums, 1e-6)), np.float32)


def mirror_order() -> NDArray[np.intp]:
    """Takes the descriptor of a keypoint to that of its mirror image: the direction of the keypoint stays x, y and with
    it every turn is reversed.
    """
    cube = np.arange(DIM).reshape(CELLS, CELLS, DIRECTIONS)
    return np.ascontiguousarray(cube[::-1][:, :, -np.arange(DIRECTIONS) % DIRECTIONS]).reshape(-1)


@cache
def _cell_weights() -> NDArray[np.float32]:
    """(24, 4): the share of a sample along one axis in each cell, under a Gaussian of half the width of all cells."""
    position = ((np.arange(SAMPLES) + 0.5) / SAMPLES - 0.5) * (CELLS + 1)  # cells from the middle
    centers = np.arange(CELLS) - (CELLS - 1) / 2
    share = np.maximum(0.0, 1.0 - np.abs(position[:, None] - centers))
    return np.asarray(share * np.exp(-0.5 * (position[:, None] / (CELLS / 2)) ** 2), np.float32)


@cache
def _histograms() -> CompiledLoop:
    return compiled(_histograms_loop, "float32[:, :, :]", "float32[:, :]", "float32[:, :]")


def _histograms_loop(patches: NDArray[Any], weights: NDArray[Any], histograms: NDArray[Any]) -> None:
    samples = weights.shape[0]
    rows = np.empty((samples, 4, 8), np.float32)
    for i in range(patches.shape[0]):
        patch = patches[i]
        histogram = histograms[i].reshape(4, 4, 8)
        for v in range(samples):
            row = rows[v]
            row[:] = 0
            for u in range(samples):
                gx, gy = patch[v + 1, u + 2] - patch[v + 1, u], patch[v + 2, u + 1] - patch[v, u + 1]
                ax, ay = abs(gx), abs(gy)
                low, high = min(ax, ay), max(ax, ay)
                if high == 0:
                    continue
                ratio = low / high
                square = ratio * ratio
                turn = ratio * (
                    np.float32(0.99978784)
                    + square
                    * (
                        np.float32(-0.3258083974)
                        + square * (np.float32(0.1555786518) + square * np.float32(-0.0443226549))
                    )
                )
                if ay > ax:
                    turn = np.float32(1.5707963) - turn
                if gx < 0:
                    turn = np.float32(3.1415927) - turn
                if gy < 0:
                    turn = np.float32(6.2831853) - turn
                position = turn * np.float32(8 / 6.283185307179586)
                direction = int(position)
                part = position - np.float32(direction)
                strength = np.float32(np.sqrt(gx * gx + gy * gy))
                first, second = direction & 7, (direction + 1) & 7
                for c in range(4):
                    share = weights[u, c] * strength
                    if share > 0:
                        row[c, second] += share * part
                        row[c, first] += share - share * part
        for v in range(samples):
            for r in range(4):
                share = weights[v, r]
                if share > 0:
                    for c in range(4):
                        for d in range(8):
                            histogram[r, c, d] += share * rows[v, c, d]

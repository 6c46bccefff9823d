"""What lies around a keypoint, seen in its own frame: its dominant direction, and square patches turned and scaled by
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.keypoints.detector import Keypoints
from deployments.keypoints.scale_space import INTERVALS, Octave
from storage.compiled import CompiledLoop, compiled

DIRECTION_BINS = 36
DIRECTION_SIGMA = 1.5  # sigmas of the keypoint; weights fall off with this
DIRECTION_REACH = 4.5  # sigmas of the keypoint
SECOND_PEAK = 0.8  # of the highest; as high a peak is a second direction

Patches = NDArray[np.float32]  # (N, S, S), 0 to 255


def find_directions(octaves: Sequence[Octave], keypoints: Keypoints) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(N, 2) directions of the two strongest peaks of the gradients around each keypoint, in radians, x to y; and (N,)
    the height of the second as a fraction of the first.
    """
    angles, seconds = np.zeros((len(keypoints), 2), np.float32), np.zeros(len(keypoints), np.float32)
    for octave, level, members in _by_level(octaves, keypoints):
        sigmas = (1.6 * np.exp2(keypoints.in_octave[members, 2].astype(np.float64) / INTERVALS)).astype(np.float32)
        xy = np.ascontiguousarray(keypoints.in_octave[members, :2])
        own_angles, own_seconds = np.zeros((len(members), 2), np.float32), np.zeros(len(members), np.float32)
        _directions()(octave.levels[level], xy, sigmas, own_angles, own_seconds)
        angles[members], seconds[members] = own_angles, own_seconds
    return angles, seconds


def cut_patches(
    octaves: Sequence[Octave], keypoints: Keypoints, angles: NDArray[np.float32], side: int, spacing: float
) -> Patches:
    """(N, side, side) samples around each keypoint, ``spacing`` sigmas apart, turned so that its direction is x."""
    patches = np.empty((len(keypoints), side, side), np.float32)
    for octave, level, members in _by_level(octaves, keypoints):
        steps = spacing * 1.6 * np.exp2(keypoints.in_octave[members, 2].astype(np.float64) / INTERVALS)
        frames = np.stack(
            [
                keypoints.in_octave[members, 0],
                keypoints.in_octave[members, 1],
                np.cos(angles[members].astype(np.float64)) * steps,
                np.sin(angles[members].astype(np.float64)) * steps,
            ],
            axis=1,
        ).astype(np.float32)
        _samples()(octave.levels[level], frames, members, patches)
    return patches


def _by_level(octaves: Sequence[Octave], keypoints: Keypoints) -> Iterator[tuple[Octave, int, NDArray[np.intp]]]:
    """The keypoints (indices) of each level that has any."""
    nearest = np.clip(np.rint(keypoints.in_octave[:, 2]).astype(np.int64), 1, INTERVALS)
    groups = keypoints.octaves * 8 + nearest
    for group in np.unique(groups).tolist():
        yield octaves[group // 8], group % 8, np.flatnonzero(groups == group)


@cache
def _directions() -> CompiledLoop:
    return compiled(_directions_loop, "float32[:, :]", "float32[:, :]", "float32[:]", "float32[:, :]", "float32[:]")


@cache
def _samples() -> CompiledLoop:
    return compiled(_samples_loop, "float32[:, :]", "float32[:, :]", "int64[:]", "float32[:, :, :]")


def _directions_loop(
    level: NDArray[Any], xy: NDArray[Any], sigmas: NDArray[Any], angles: NDArray[Any], seconds: NDArray[Any]
) -> None:
    height, width = level.shape
    histogram = np.empty(DIRECTION_BINS, np.float32)
    smooth = np.empty(DIRECTION_BINS, np.float32)
    for i in range(xy.shape[0]):
        reach = DIRECTION_REACH * sigmas[i]
        left, right = max(1, int(np.ceil(xy[i, 0] - reach))), min(width - 2, int(np.floor(xy[i, 0] + reach)))
        top, bottom = max(1, int(np.ceil(xy[i, 1] - reach))), min(height - 2, int(np.floor(xy[i, 1] + reach)))
        falloff = np.float32(-0.5) / (np.float32(DIRECTION_SIGMA) * sigmas[i]) ** 2
        histogram[:] = 0
        for y in range(top, bottom + 1):
            dy = np.float32(y) - xy[i, 1]
            for x in range(left, right + 1):
                dx = np.float32(x) - xy[i, 0]
                away = (dx * dx + dy * dy) * falloff
                if away < -4.5:
                    continue
                gx, gy = level[y, x + 1] - level[y, x - 1], level[y + 1, x] - level[y - 1, x]
                # exp by (1 + a / 16)^16, atan2 by a polynomial: the same bits on every machine
                weight = np.float32(1.0) + away * np.float32(0.0625)
                weight *= weight
                weight *= weight
                weight *= weight
                weight *= weight
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
                position = turn * np.float32(DIRECTION_BINS / 6.283185307179586)
                bin = int(position)
                part = position - np.float32(bin)
                strength = weight * np.float32(np.sqrt(gx * gx + gy * gy))
                histogram[bin % DIRECTION_BINS] += strength * (np.float32(1.0) - part)
                histogram[(bin + 1) % DIRECTION_BINS] += strength * part
        for b in range(DIRECTION_BINS):
            smooth[b] = (
                np.float32(0.375) * histogram[b]
                + np.float32(0.25) * (histogram[(b + 1) % DIRECTION_BINS] + histogram[b - 1])
                + np.float32(0.0625) * (histogram[(b + 2) % DIRECTION_BINS] + histogram[b - 2])
            )
        first, second = -1, -1
        for b in range(DIRECTION_BINS):
            if smooth[b] <= smooth[b - 1] or smooth[b] < smooth[(b + 1) % DIRECTION_BINS]:
                continue
            if first < 0 or smooth[b] > smooth[first]:
                second, first = first, b
            elif second < 0 or smooth[b] > smooth[second]:
                second = b
        if first < 0:
            continue
        for place in range(2):
            b = first if place == 0 else second
            if b < 0:
                continue
            before, peak, after = smooth[b - 1], smooth[b], smooth[(b + 1) % DIRECTION_BINS]
            offset = np.float32(0.5) * (before - after) / (before - np.float32(2.0) * peak + after)
            angles[i, place] = (np.float32(b) + offset) * np.float32(6.283185307179586 / DIRECTION_BINS)
        if second >= 0:
            seconds[i] = smooth[second] / smooth[first]


def _samples_loop(level: NDArray[Any], frames: NDArray[Any], places: NDArray[Any], patches: NDArray[Any]) -> None:
    height, width = level.shape
    side = patches.shape[1]
    middle = np.float32((side - 1) / 2)
    for i in range(frames.shape[0]):
        x0, y0, cosine, sine = frames[i, 0], frames[i, 1], frames[i, 2], frames[i, 3]
        patch = patches[places[i]]
        for v in range(side):
            dv = np.float32(v) - middle
            for u in range(side):
                du = np.float32(u) - middle
                x = min(max(x0 + du * cosine - dv * sine, np.float32(0.0)), np.float32(width - 1.001))
                y = min(max(y0 + du * sine + dv * cosine, np.float32(0.0)), np.float32(height - 1.001))
                left, top = int(x), int(y)
                px, py = x - np.float32(left), y - np.float32(top)
                upper = level[top, left] + px * (level[top, left + 1] - level[top, left])
                lower = level[top + 1, left] + px * (level[top + 1, left + 1] - level[top + 1, left])
                patch[v, u] = upper + py * (lower - upper)

"""Two pictures laid over each other and compared block by block: where they agree, where they differ, and how.

The query is brought onto the stored picture's thumbnail by the map between them. What is compared is detail alone: the
brightness of the surroundings is taken out first, so that two clear skies do not agree by growing darker in the same
direction. Blocks without detail in either picture say nothing and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from graph.judging.placement import jacobian_at

Gray = NDArray[np.uint8]  # (H, W)
Floats = NDArray[np.float64]
Plane = NDArray[np.float32]  # (H, W)

BLOCK = 16  # pixels of the frame
SMALLEST_BLOCK = 8
WANTED_BLOCKS = 40
SURROUNDINGS = 5.0  # sigma of what is taken out, pixels of the frame
LEAST_DETAIL = 2.5  # standard deviation of a block's detail, gray levels
LEAST_COVER = 0.8  # of a block, that both pictures show
LEAST_SIDE = 40  # pixels of the frame: smaller pictures look alike by chance
FEWEST_FOR_TONE = 4  # blocks
TYPICAL_OFFSET = 6.0  # gray levels
PLAIN = 25.0  # gray levels squared: of blocks that are all as bright, no contrast is made up
GAINS = (0.2, 5.0)
LEVELS = 64.0  # gray levels, of which a curve is made
REWEIGHTINGS = 4
GROUND_LEVELS = 7  # gray levels that count as one brightness
ONE_BRIGHTNESS = 3.0  # gray levels from the middle one
MOSTLY = 0.5
DAMPING = 1.0  # gray levels squared: a block without gradients lies where it lies
FAINT = 1.0  # gray levels squared, of gradients
DIFFERS = 0.6  # correlation of a block, below which it is looked for a little farther
FOUND = 0.8  # correlation of one that is there
FARTHER = 4  # pixels of the frame


@dataclass(frozen=True, slots=True)
class Tone:
    """What makes the brightness of most blocks of the query that of the stored picture's: gain * query + level."""

    gain: float
    level: float


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Blocks of the stored picture that the query shows, row by row.

    correlation: (B,) of their detail, -1 to 1. detail, fainter: (B,) the larger and the smaller of the two standard
    deviations, gray levels. sharpness: (B,) the query's gradients by the stored picture's, once their contrast is
    alike. offset: (B,) by which their brightness differs once ``tone`` has made it alike, gray levels. places: (B, 2) x
    and y of the blocks' middles as shares of the stored picture. shift: (B, 2) by which the query's block lies off,
    pixels of the frame. strength: (B,) how well that can be told: the smaller eigenvalue of the block's gradients, gray
    levels squared. drawn: (B,) which blocks are mostly of one brightness in either picture, as letters and lines on
    paper are. moved: (B,) which blocks do not agree where they lie, but a little farther, as what is nearer does from a
    step aside. ground: the share of the stored picture that is of one brightness. block: its side, size: of the frame,
    pixels.
    """

    correlation: Floats
    detail: Floats
    fainter: Floats
    sharpness: Floats
    offset: Floats
    places: Floats
    shift: Floats
    strength: Floats
    drawn: NDArray[np.bool_]
    moved: NDArray[np.bool_]
    ground: float
    tone: Tone
    block: int
    size: tuple[int, int]

    @property
    def told(self) -> NDArray[np.bool_]:
        """(B,) the blocks in which either picture shows something."""
        return np.asarray(self.detail >= LEAST_DETAIL)


def compare(query: Gray, stored: Gray, homography: Floats) -> Comparison | None:
    """homography: (3, 3) pixels of ``stored`` to pixels of ``query``, whose outer edges are at 0. None where too little
    of the two is left to compare.
    """
    zoom = _zoom(homography, stored.shape)
    if not np.isfinite(zoom) or zoom <= 0:
        return None
    if zoom < 1.0:
        stored, scale = _scaled(stored, zoom)
        homography = np.asarray(homography @ np.linalg.inv(scale), np.float64)
    elif zoom > 1.0:
        query, scale = _scaled(query, 1 / zoom)
        homography = np.asarray(scale @ homography, np.float64)
    if min(stored.shape) < LEAST_SIDE or min(query.shape) < 4:
        return None
    height, width = stored.shape
    there = _pixel_centers(homography)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = cv2.warpPerspective(query, there, (width, height), flags=flags)
    cover = cv2.warpPerspective(np.full(query.shape, 255, np.uint8), there, (width, height), flags=flags) >= 250
    if not cover.any():
        return None
    return _blocks(seen.astype(np.float32), stored.astype(np.float32), cover.astype(np.float32))


def _zoom(homography: Floats, shape: tuple[int, ...]) -> float:
    """Pixels of the query for each pixel of the stored picture, at the middle of it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        jacobian = jacobian_at(homography, np.array([shape[1] / 2, shape[0] / 2]))
    return float(np.sqrt(abs(np.linalg.det(jacobian))))


def _scaled(picture: Gray, by: float) -> tuple[Gray, Floats]:
    """And the map from its pixels to those that it has now."""
    size = max(1, round(picture.shape[1] * by)), max(1, round(picture.shape[0] * by))
    scale = np.diag([size[0] / picture.shape[1], size[1] / picture.shape[0], 1.0])
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def _pixel_centers(homography: Floats) -> Floats:
    """The same map between coordinates that have 0 at the middle of the first pixel."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    back = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    return np.asarray(back @ homography @ half, np.float64)


def _detail(picture: Plane, cover: Plane, around: Plane) -> Plane:
    surroundings = cv2.GaussianBlur(picture * cover, (0, 0), SURROUNDINGS) / around
    return np.asarray((picture - surroundings) * cover, np.float32)


def _blocks(seen: Plane, stored: Plane, cover: Plane) -> Comparison | None:
    around = np.maximum(cv2.GaussianBlur(cover, (0, 0), SURROUNDINGS), np.float32(1e-3))
    a, b = _detail(seen, cover, around), _detail(stored, cover, around)
    covered = float(cover.sum())
    block = int(np.clip(np.sqrt(covered / WANTED_BLOCKS), SMALLEST_BLOCK, BLOCK))
    share = _sums(cover, block) / block**2
    inside = share >= LEAST_COVER
    if not inside.any():
        return None
    count = share[inside] * block**2
    sums = [_sums(plane, block)[inside] for plane in (a, b, a * a, b * b, a * b, seen * cover, stored * cover)]
    mean_a, mean_b = sums[0] / count, sums[1] / count
    var_a = np.maximum(sums[2] / count - mean_a**2, 0)
    var_b = np.maximum(sums[3] / count - mean_b**2, 0)
    product = sums[4] / count - mean_a * mean_b
    std_a, std_b = np.sqrt(var_a), np.sqrt(var_b)
    correlation = product / np.maximum(std_a * std_b, 1e-3)
    level_a, level_b = sums[5] / count, sums[6] / count
    tone = _tone(level_a, level_b)
    shift, strength, sharpness = _gradients(a, b, inside, block, tone.gain, _contrast(level_a, level_b, tone))
    rows, columns = np.nonzero(inside)
    places = (np.stack([columns, rows], axis=1) + 0.5) * block / np.array([stored.shape[1], stored.shape[0]])
    return Comparison(
        correlation=correlation,
        detail=np.maximum(std_a, std_b),
        fainter=np.minimum(std_a, std_b),
        sharpness=sharpness,
        offset=level_b - tone.gain * level_a - tone.level,
        places=places,
        shift=shift,
        strength=strength,
        drawn=_drawn(seen, block)[inside] | _drawn(stored, block)[inside],
        moved=_moved(
            a, b, np.argwhere(inside), block, (correlation < DIFFERS) & (np.minimum(std_a, std_b) >= LEAST_DETAIL)
        ),
        ground=_ground(stored, cover),
        tone=tone,
        block=block,
        size=(stored.shape[1], stored.shape[0]),
    )


def _gradients(
    a: Plane, b: Plane, inside: NDArray[np.bool_], block: int, gain: float, contrast: Floats
) -> tuple[Floats, Floats, Floats]:
    """How far each block of ``a`` lies from where it is in ``b``: one step of Lucas and Kanade (IJCAI 1981). The
    smaller eigenvalue of its gradients. And its gradients, times its ``contrast``, by those of ``b``.
    """
    dx, dy, ax, ay = (
        cv2.Sobel(plane, cv2.CV_32F, *order, ksize=3, scale=1 / 8) for plane in (b, a) for order in ((1, 0), (0, 1))
    )
    left = b - np.float32(gain) * a
    planes = (dx * dx, dx * dy, dy * dy, dx * left, dy * left, ax * ax + ay * ay)
    xx, xy, yy, xt, yt, own = (_sums(plane, block)[inside] / block**2 for plane in planes)
    determinant = (xx + DAMPING) * (yy + DAMPING) - xy**2
    shift = np.stack([(yy + DAMPING) * xt - xy * yt, (xx + DAMPING) * yt - xy * xt], axis=1) / determinant[:, None]
    strength = (xx + yy) / 2 - np.sqrt((xx - yy) ** 2 / 4 + xy**2)
    sharpness = np.sqrt((contrast**2 * own + FAINT) / (xx + yy + FAINT))
    return shift, strength, sharpness


def _drawn(picture: Plane, block: int) -> NDArray[np.bool_]:
    """(rows, columns) of the blocks. The median takes away what JPEG draws around letters. Every second pixel tells as
    much.
    """
    rows, columns = picture.shape[0] // block, picture.shape[1] // block
    calm = np.asarray(cv2.medianBlur(picture.astype(np.uint8), 3), np.float32)
    whole = calm[: rows * block, : columns * block].reshape(rows, block, columns, block)
    pixels = whole[:, ::2, :, ::2].swapaxes(1, 2).reshape(rows, columns, -1)
    off = np.abs(pixels - np.median(pixels, axis=-1, keepdims=True))
    return np.asarray((off <= ONE_BRIGHTNESS).mean(axis=-1) >= MOSTLY)


def _moved(a: Plane, b: Plane, places: NDArray[np.intp], block: int, sought: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """places: (B, 2) row and column of each block. sought: (B,) which are looked for."""
    moved = np.zeros(len(places), np.bool_)
    for number in np.flatnonzero(sought):
        top, left = (int(place) * block for place in places[number])
        own = a[top : top + block, left : left + block]
        around = b[max(0, top - FARTHER) : top + block + FARTHER, max(0, left - FARTHER) : left + block + FARTHER]
        moved[number] = float(cv2.matchTemplate(around, own, cv2.TM_CCOEFF_NORMED).max()) >= FOUND
    return moved


def _ground(stored: Plane, cover: Plane) -> float:
    counts = np.bincount(stored[cover > 0].astype(np.intp), minlength=256)
    around = np.convolve(counts, np.ones(GROUND_LEVELS, np.intp))
    return float(around.max() / max(int(counts.sum()), 1))


def _tone(a: Floats, b: Floats) -> Tone:
    """The straight line that the brightness of most blocks follows."""
    gain, level = 1.0, float(np.median(b - a))
    if len(a) < FEWEST_FOR_TONE:
        return Tone(gain, level)
    for _ in range(REWEIGHTINGS):
        left = b - gain * a - level
        weights = 1 / (1 + (left / TYPICAL_OFFSET) ** 2)
        mean_a, mean_b = float(np.average(a, weights=weights)), float(np.average(b, weights=weights))
        spread = float(np.average((a - mean_a) ** 2, weights=weights))
        together = float(np.average((a - mean_a) * (b - mean_b), weights=weights))
        gain = float(np.clip((together + PLAIN) / (spread + PLAIN), *GAINS))
        level = mean_b - gain * mean_a
    return Tone(gain, level)


def _contrast(a: Floats, b: Floats, tone: Tone) -> Floats:
    """(B,) what makes the contrast within each block that of the stored picture's: the slope of a tone curve, which
    gamma gives to dark blocks and to bright ones another of. The curve is told from the blocks' brightness alone.
    """
    left = b - tone.gain * a - tone.level
    weights = 1 / (1 + (left / TYPICAL_OFFSET) ** 2)
    away = a - np.average(a, weights=weights)
    terms = np.stack([np.ones_like(away), away, away**2 / LEVELS], axis=1)
    pull = np.diag([0.0, PLAIN, PLAIN]) * weights.sum()
    curve = np.linalg.solve(terms.T @ (terms * weights[:, None]) + pull, terms.T @ (weights * left))
    return np.asarray(np.clip(tone.gain + curve[1] + 2 * curve[2] * away / LEVELS, *GAINS), np.float64)


def _sums(plane: Plane | cv2.typing.MatLike, block: int) -> Floats:
    rows, columns = plane.shape[0] // block, plane.shape[1] // block
    whole = np.asarray(plane[: rows * block, : columns * block], np.float32)
    return np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), np.float64) * block**2

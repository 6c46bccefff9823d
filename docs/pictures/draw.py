"""Draws the pictures of `docs/how-it-works.md`: ``python -m docs.pictures.draw``, or ``make docs-pictures``.

What they show is what the service itself computes: its colours, keypoints, matches, blocks, distances and odds.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from deployments.extractors.color import Color
from deployments.extractors.phash import BITS, Phash
from docs.pictures.samples import (
    RGB,
    Looked,
    crop,
    hashes,
    looked_at,
    pages,
    pasted,
    photograph,
    pieces,
    prepared,
    seen_from_one_side,
    with_words,
)
from graph.cli.terminal.judging import confidence_figure
from graph.judging.change import changed_boxes
from graph.judging.evidence import OF_KEYPOINTS
from graph.judging.pixels import LEAST_DETAIL
from graph.judging.probability import calibration
from graph.judging.strangers import Strangers
from storage.keypoints.alignment import align, match
from storage.keypoints.keypoint_rows import Side, sides, stored_side
from storage.keypoints.plane_maps import transformed
from storage.types.features import FeatureRows, Vectors
from storage.types.searches import SampledDistances

HERE = Path(__file__).parent
WIDTH = 9.0  # inches
DPI = 110
QUALITY = 82
AGREES, DIFFERS, QUIET, ACCENT, INK = "#1a9850", "#d73027", "#9aa3b2", "#2166ac", "#1d2433"
SOME_BITS = 230  # of a hash, that differ: proof or chance
COLLECTION = 401  # pictures that stand for a collection

Lines = NDArray[np.float64]  # (N, 2, 2): where each begins and ends
Drawing = Callable[[int], Figure]  # of the number of pictures in the collection, which some need


def relations(_: int) -> Figure:
    """One stored picture, and what a query is to it: each relation as the service says it."""
    whole = photograph("chelsea")
    stored = crop(whole, 0, 0, 0.8, 1)
    queries = {
        "mirrored and half as large": ImageOps.mirror(stored).resize((stored.width // 2, stored.height // 2)),
        "brighter, with words": with_words(ImageEnhance.Brightness(stored).enhance(1.2), "for sale", (0.1, 0.7), 0.12),
        "cut out": crop(stored, 0.3, 0.2, 0.85, 0.8),
        "pasted into another": pasted(stored, photograph("coffee"), 0.6),
        "lacks its left, has more on the right": crop(whole, 0.3, 0, 1, 1),
        "from one side (made)": seen_from_one_side(stored, 0.1),
        "another photograph": photograph("astronaut"),
    }
    figure = _figure(3.4)
    axes = figure.subplots(2, 4).ravel()
    _show(axes[0], stored, "the stored picture", color=INK)
    for axis, (made, query) in zip(axes[1:], queries.items(), strict=True):
        _show(axis, query, looked_at(query, stored).says)
        axis.text(0.5, -0.04, made, transform=axis.transAxes, ha="center", va="top", fontsize=8, color=INK)
    return figure


def colors(_: int) -> Figure:
    """How much of each colour three pictures have, and how far apart that is."""
    retina = photograph("retina")
    shown = {
        "a picture": crop(retina, 0, 0, 1, 0.5),
        "its other half": crop(retina, 0, 0.5, 1, 1),
        "something else": photograph("coffee"),
    }
    rows = [Color().extract([prepared(picture).forms[RGB]])[0].rows[0] for picture in shown.values()]
    figure = _figure(2.3)
    axes = figure.subplots(2, 3, height_ratios=(3, 2))
    for column, (name, picture) in enumerate(shown.items()):
        distance = Color().distance(rows[0], rows[column])
        says = name if column == 0 else f"{name}: distance {distance:.2f}"
        _show(axes[0, column], picture, says, color=INK)
        _bars_of_colors(axes[1, column], rows[column])
    return figure


def keypoints(_: int) -> Figure:
    """Where a picture has keypoints: as large as what they describe, with the direction that they see in it."""
    picture = photograph("coffee")
    looked = looked_at(picture, picture)
    figure = _figure(3.1)
    left, right = figure.subplots(1, 2)
    _show(left, picture, "a photograph", color=INK)
    _show(right, picture, f"its {len(looked.kept.rows)} keypoints", color=INK)
    side = stored_side(looked.kept)
    across = 6 * side.sigmas  # of what is described around each
    circles = EllipseCollection(
        across, across, np.zeros(len(across)), units="xy", offsets=side.points, offset_transform=right.transData
    )
    circles.set(facecolor="none", edgecolor="#ffd92f", linewidth=0.8)
    right.add_collection(circles)
    ends = side.points + np.stack([np.cos(side.angles), np.sin(side.angles)], axis=1) * across[:, None] / 2
    right.add_collection(LineCollection(list(np.stack([side.points, ends], axis=1)), colors="#ffd92f", linewidths=0.8))
    return figure


def matches(_: int) -> Figure:
    """Keypoints that look alike: of a crop most agree on where it lies, of strangers none."""
    stored = photograph("coffee")
    part = ImageOps.mirror(crop(stored, 0.25, 0.1, 0.9, 0.85))
    figure = _figure(5.2)
    upper, lower = figure.subplots(2, 1)
    _matches(upper, looked_at(part, stored))
    _matches(lower, looked_at(photograph("chelsea"), stored))
    return figure


def blocks(_: int) -> Figure:
    """Two pictures laid over each other: where they agree, where there is nothing to compare, where they differ."""
    stored = photograph("coffee")
    query = with_words(stored, "two for one", (0.04, 0.06), 0.13)
    found = looked_at(query, stored)
    if found.judgement is None or found.judgement.change is None:
        raise AssertionError("two pictures that are alike were not compared")
    compared = found.judgement.change.compared
    figure = _figure(2.15)
    left, middle, right = figure.subplots(1, 3)
    _show(left, query, f"the query: {found.says}", color=INK)
    _show(middle, stored, "the stored picture, block by block", color=INK)
    _show(right, stored, "what has changed", color=INK)
    width, height = compared.block / compared.size[0], compared.block / compared.size[1]
    for place, correlation, detail in zip(compared.places, compared.correlation, compared.detail, strict=True):
        corner = (place[0] - width / 2) * stored.width, (place[1] - height / 2) * stored.height
        told = detail >= LEAST_DETAIL
        color = mpl.colormaps["RdYlGn"](max(0.0, correlation)) if told else QUIET
        size = width * stored.width, height * stored.height
        middle.add_patch(Rectangle(corner, *size, facecolor=color, alpha=0.6, edgecolor="white", linewidth=0.3))
    for x, y, w, h in changed_boxes(found.judgement.change):
        box = (x * stored.width, y * stored.height), w * stored.width, h * stored.height
        right.add_patch(Rectangle(*box, facecolor="none", edgecolor=DIFFERS, linewidth=1.6))
    return figure


def strangers(count: int) -> Figure:
    """How far a collection is from a query: the same distance is proof in one and chance in another."""
    figure = _figure(3.0)
    collections = {"parts of photographs": pieces(count), "pages in one layout": pages(count)}
    for axis, (name, pictures) in zip(figure.subplots(1, 2), collections.items(), strict=True):
        query, *others = pictures
        asked = hashes(query)
        copy = _bits(asked, _small_and_gray(query))
        _histogram(axis, name, [_bits(asked, other) for other in others], copy)
    return figure


def odds(_: int) -> Figure:
    """What speaks for and against one photograph, and the probability that it comes to."""
    stored = photograph("coffee")
    pairs = {
        "small and gray": _small_and_gray(stored),
        "cut out, mirrored": ImageOps.mirror(crop(stored, 0.2, 0.2, 0.9, 0.9)),
        "from one side (made)": seen_from_one_side(stored, 0.1),
        "another photograph": photograph("chelsea"),
    }
    figure = _figure(2.7)
    axis = figure.subplots()
    for row, (name, query) in enumerate(pairs.items()):
        _odds(axis, row, looked_at(query, stored))
        axis.text(-0.01, row, name, transform=axis.get_yaxis_transform(), ha="right", va="center", fontsize=9)
    axis.invert_yaxis()
    axis.axvline(0, color=INK, linewidth=1)
    axis.set_yticks([])
    axis.set_xlabel(
        "against one photograph  \N{LEFTWARDS ARROW}   logarithm of the odds   \N{RIGHTWARDS ARROW}  for it"
    )
    axis.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=4, frameon=False, fontsize=8)
    axis.spines[["top", "right", "left"]].set_visible(False)
    return figure


DRAWINGS: Mapping[str, Drawing] = {
    one.__name__: one for one in (relations, colors, keypoints, matches, blocks, strangers, odds)
}


def as_webp(figure: Figure, dpi: int = DPI) -> bytes:
    FigureCanvasAgg(figure)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi, facecolor="white")
    small = io.BytesIO()
    Image.open(file).convert("RGB").save(small, "WEBP", quality=QUALITY, method=6)
    return small.getvalue()


def _figure(height: float) -> Figure:
    return Figure((WIDTH, height), layout="constrained")


def _show(axis: Axes, picture: Image.Image, says: str, *, color: str = ACCENT) -> None:
    axis.imshow(np.asarray(picture))
    axis.set_title(says, fontsize=9, color=color)
    axis.set_axis_off()


def _bars_of_colors(axis: Axes, shares: Vectors) -> None:
    """shares: (512,). The most frequent of the colours."""
    most = np.argsort(-shares, kind="stable")[:14]
    red, green, blue = np.unravel_index(most, (8, 8, 8))
    filled = (np.stack([red, green, blue], axis=1) + 0.5) / 8
    axis.bar(range(len(most)), 100 * shares[most], color=list(map(tuple, filled)), edgecolor=INK, linewidth=0.4)
    axis.set_xticks([])
    axis.set_ylabel("% of the picture", fontsize=7)
    axis.tick_params(labelsize=7)


def _matches(axis: Axes, looked: Looked) -> None:
    """Query and stored picture side by side, with the matches of the side that more agree on."""
    gap = looked.query.width + 30
    height = max(looked.query.height, looked.stored.height)
    ground = np.full((height, gap + looked.stored.width, 3), 255, np.uint8)
    for picture, left in ((looked.query, 0), (looked.stored, gap)):
        ground[: picture.height, left : left + picture.width] = np.asarray(picture)
    agree, chance = max((_pairs(side, looked) for side in sides(looked.asked.rows, looked.asked.extras)), key=_count)
    for pairs, color, width in ((chance, DIFFERS, 0.7), (agree, AGREES, 0.9)):
        lines = list(pairs + np.array([[0, 0], [gap, 0]]))
        axis.add_collection(LineCollection(lines, colors=color, linewidths=width, alpha=0.8))
    says = f"{len(agree) + len(chance)} keypoints look alike, {len(agree)} agree on one place: {looked.says}"
    _show(axis, Image.fromarray(ground), says, color=INK)


def _pairs(side: Side, looked: Looked) -> tuple[Lines, Lines]:
    """Those that agree, and the others that look alike."""
    query, stored = side.described(), stored_side(looked.kept)
    found = match(query, stored.described())
    alignment = align(query, stored.described(), found)
    agree = np.zeros((0, 2), np.intp) if alignment is None else alignment.pairs
    others = np.array([pair for pair in found.tolist() if pair not in agree.tolist()], np.intp).reshape(-1, 2)
    points = transformed(side.to_frame, side.points)
    lines = [np.stack([points[own[:, 0]], stored.points[own[:, 1]]], axis=1) for own in (agree, others)]
    return lines[0], lines[1]


def _count(pairs: tuple[Lines, Lines]) -> int:
    return len(pairs[0])


def _small_and_gray(picture: Image.Image) -> Image.Image:
    return picture.resize((picture.width // 2, picture.height // 2)).convert("L").convert("RGB")


def _bits(asked: FeatureRows, other: Image.Image) -> float:
    return min(Phash().distance(view, hashes(other).rows[0]) for view in asked.rows)


def _histogram(axis: Axes, name: str, distances: Sequence[float], copy: float) -> None:
    sample = SampledDistances(np.sort(np.array(distances, np.float32)), len(distances))
    collection = Strangers.sampled([sample])
    axis.hist(distances, bins=list(range(0, BITS, 8)), color=QUIET)
    axis.set_title(f"a collection of {len(distances)} {name}", fontsize=9)
    axis.set_xlabel(f"bits of {BITS} that differ from the query", fontsize=8)
    axis.set_xlim(0, 400)
    for bits, what, color in ((copy, f"a copy:\n{copy:.0f} bits", AGREES), (SOME_BITS, f"{SOME_BITS} bits", DIFFERS)):
        axis.axvline(bits, color=color, linewidth=2)
        says = f"{what}\nfarther: {collection.farther(bits):.2f}"
        where, ha = (bits + 5, "left") if bits == copy else (bits - 5, "right")
        axis.text(where, 0.97, says, color=color, transform=axis.get_xaxis_transform(), ha=ha, va="top", fontsize=8)
    axis.set_yticks([])
    axis.spines[["top", "right", "left"]].set_visible(False)


def _odds(axis: Axes, row: int, looked: Looked) -> None:
    """One bar after the other, each from where the last one ends."""
    strong = calibration().strong
    parts = {} if looked.likeliest is None else strong.parts(looked.likeliest.evidence)
    of_keypoints = sum(parts[name] for name in OF_KEYPOINTS & parts.keys())
    of_hash = parts.get("surprise", 0.0)
    named = {
        "before looking": (strong.start, QUIET),
        "keypoints": (of_keypoints, "#fdae61"),
        "pixels": (sum(parts.values()) - of_keypoints - of_hash, ACCENT),
        "hash": (of_hash, "#762a83"),
    }
    at = 0.0
    for place, (name, (value, color)) in enumerate(named.items()):
        y = row - 0.3 + 0.2 * place
        axis.barh(y, value, left=at, height=0.18, color=color, label=name if row == 0 else None)
        at += value
    axis.plot([at, at], [row - 0.4, row + 0.4], color=INK, linewidth=2)
    says = f"{confidence_figure(float(1 / (1 + np.exp(-at))))} \N{RIGHTWARDS ARROW} {looked.says}"
    axis.text(max(at, 0.0) + 0.4, row + 0.05, says, va="center", fontsize=8)


def main() -> None:
    for name, drawing in DRAWINGS.items():
        data = as_webp(drawing(COLLECTION))
        (HERE / f"{name}.webp").write_bytes(data)
        print(f"{name}.webp: {len(data) / 1e3:.0f} kB")


if __name__ == "__main__":
    main()

"""Edits are where their homographies say, and the right words follow from areas and from what was done."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.more_edits import MORE_EDITS, WITH_OTHERS, edits_with, overlapping_crops
from benchmarks.right_relations import CHANGES, right_relations
from graph.jobs.evaluating.edits import EDITS, Copy, moved, scaled
from graph.jobs.evaluating.relations import shares_of

SIZE = (400, 300)
MARKS = {"red": (110, 90), "lime": (290, 200)}
OTHERS = [Image.new("RGB", (640, 480), shade) for shade in ("#101010", "#202020", "#303030")]
ALL = {**EDITS, **MORE_EDITS, **edits_with(OTHERS)}
HIDE_THE_MARKS = {  # other colours, or more of the marks' own
    "gray", "sepia", "invert", "color tint", "crop 50 % + gray", "blur strong", "upscaled thumbnail", "noise",
    "overlay text", "crop 50 % + text", "sticker", "screenshot", "frame",
}  # fmt: skip


def marked_picture() -> Image.Image:
    """A gray ground with a red and a green square."""
    picture = Image.new("RGB", SIZE, "#808080")
    draw = ImageDraw.Draw(picture)
    for paint, (x, y) in MARKS.items():
        draw.rectangle((x - 8, y - 8, x + 8, y + 8), fill=paint)
    return picture


def middle_of(pixels: NDArray[np.int16], paint: str) -> NDArray[np.float64] | None:
    """(x, y) of the middle of what is red or green."""
    channel, others = (0, (1, 2)) if paint == "red" else (1, (0, 2))
    found = np.argwhere((pixels[..., channel] - pixels[..., others].max(axis=-1)) > 60)
    return found.mean(axis=0)[::-1] if len(found) else None


def test_every_edit_has_its_change_and_every_change_its_edit() -> None:
    assert set(ALL) | {"overlap"} == set(CHANGES)
    assert not set(EDITS) & set(MORE_EDITS)


@pytest.mark.parametrize("name", [name for name in ALL if name not in HIDE_THE_MARKS])
def test_the_homography_says_where_things_went(name: str) -> None:
    for seed in range(3):
        copy = ALL[name](marked_picture(), random.Random(seed))
        pixels = np.asarray(copy.picture.convert("RGB")).astype(np.int16)
        for paint, (x, y) in MARKS.items():
            lies = copy.homography @ (x, y, 1)
            expected = lies[:2] / lies[2]
            room = 9 * np.sqrt(abs(np.linalg.det(copy.homography[:2, :2]))) + 2
            if (expected < room).any() or (expected > np.array(copy.picture.size) - room).any():
                continue
            found = middle_of(pixels, paint)
            assert found is not None
            assert np.abs(found - expected).max() < 1.5


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("rotate 270", {"same"}),
        ("webp", {"same"}),
        ("jpeg 15", {"same", "edited"}),
        ("gray", {"same", "edited"}),
        ("sticker", {"edited"}),
        ("border", {"contains"}),
        ("rotate 15", {"contains"}),
        ("photo of a screen", {"contains"}),
        ("screenshot", {"contains"}),
        ("collage of 4", {"contains"}),
        ("crop 80 %", {"crop"}),
        ("crop 50 % + text", {"crop"}),
        ("crop 95 %", {"crop", "same", "edited"}),
    ],
)
def test_the_table_of_right_words(name: str, right: set[str]) -> None:
    for seed in range(5):
        assert right_relations(name, ALL[name](marked_picture(), random.Random(seed)), SIZE) == right


def test_a_narrow_border_is_an_edit_and_a_wide_one_contains() -> None:
    narrow, wide = (Copy(Image.new("RGB", (400 + 2 * b, 300 + 2 * b)), moved(b, b)) for b in (8, 10))
    assert right_relations("border", narrow, SIZE) == {"edited"}
    assert right_relations("border", wide, SIZE) == {"contains"}


def test_two_crops_overlap() -> None:
    for seed in range(8):
        copy, stored = overlapping_crops(marked_picture(), random.Random(seed))
        shares = shares_of(copy.homography, copy.picture.size, stored.size)
        assert right_relations("overlap", copy, stored.size) == {"overlap"}
        assert shares.of_query == pytest.approx(shares.of_stored)
        assert 0.1 < shares.of_query < 0.6
        moved_by = copy.homography[:2, 2].astype(int)
        x, y = 200, 150  # within the stored crop
        if all(0 <= at < side for at, side in zip((x + moved_by[0], y + moved_by[1]), copy.picture.size, strict=True)):
            assert copy.picture.getpixel((x + int(moved_by[0]), y + int(moved_by[1]))) == stored.getpixel((x, y))


def test_shares_are_areas() -> None:
    half = shares_of(moved(100, 0) @ scaled(0.5, 0.5), (400, 300), (400, 300))
    assert half.of_query == pytest.approx(0.25, abs=0.01)
    assert half.of_stored == pytest.approx(1.0)
    beside = shares_of(moved(500, 0), (400, 300), (400, 300))
    assert (beside.of_query, beside.of_stored) == (0, 0)


def test_files_are_of_the_format_that_the_edit_names() -> None:
    for name, file_format in (("png", "PNG"), ("webp", "WEBP"), ("jpeg 40", "JPEG")):
        with Image.open(io.BytesIO(MORE_EDITS[name](marked_picture(), random.Random(1)).encoded())) as picture:
            assert picture.format == file_format


def test_those_with_others_need_them() -> None:
    assert tuple(edits_with(OTHERS)) == WITH_OTHERS


def test_a_frame_and_a_screenshot_show_the_picture_where_they_say() -> None:
    for name in ("frame", "screenshot"):
        copy = MORE_EDITS[name](marked_picture(), random.Random(4))
        for at in [*MARKS.values(), (30, 30)]:
            lies = copy.homography @ (*at, 1)
            seen = copy.picture.getpixel((round(float(lies[0])), round(float(lies[1]))))
            assert seen == marked_picture().getpixel(at)

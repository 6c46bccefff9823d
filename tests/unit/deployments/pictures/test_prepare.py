from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from deployments.extractor import ImageInput, Resampling
from deployments.pictures.images import WorkingImage, decode
from deployments.pictures.prepared import prepare, prepare_each, thumbnail
from tests.unit.deployments.pictures.pillow_build import assert_pillows_pixels
from tests.unit.deployments.pictures.samples import encoded, photo

FORMS = (
    ImageInput("gray", (96, 96)),
    ImageInput("gray"),
    ImageInput("rgb"),
    ImageInput("rgb", (224, 224)),
    ImageInput("gray", (8, 8)),
    ImageInput("rgb", (64, 64), short_side=64, resample="bicubic"),
    ImageInput("gray", (96, 64), short_side=80, resample="bilinear"),
)


def working(width: int, height: int) -> WorkingImage:
    return decode(encoded(photo(width, height), "png"))


@pytest.mark.parametrize("form", FORMS)
def test_each_form_has_its_size_and_colours(form: ImageInput) -> None:
    pixels = prepare(working(300, 200), form)
    width, height = form.size or (300, 200)
    assert pixels.shape == ((height, width) if form.color == "gray" else (height, width, 3))
    assert pixels.dtype == np.uint8


def test_forms_made_together_are_those_made_alone() -> None:
    image = working(300, 200)
    together = prepare_each(image, [*FORMS, FORMS[0]])
    assert tuple(together) == FORMS
    for form, pixels in together.items():
        np.testing.assert_array_equal(pixels, prepare(image, form))


def test_gray_is_the_luma_of_pillow() -> None:
    image = working(300, 200)
    wanted = np.asarray(Image.fromarray(image.pixels).convert("L"))
    assert_pillows_pixels(prepare(image, ImageInput("gray")), wanted, simd_levels=1)


@pytest.mark.parametrize("size", [(900, 600), (600, 900), (257, 100), (2000, 150)])
def test_a_thumbnail_has_a_long_side_of_192_to_256(size: tuple[int, int]) -> None:
    image = working(*size)
    with Image.open(io.BytesIO(thumbnail(image))) as picture:
        assert picture.format == "JPEG"
        assert 192 <= max(picture.size) <= 256
        wanted = Image.fromarray(image.pixels).resize(picture.size, Image.Resampling.BOX)
        assert np.abs(np.asarray(picture).astype(int) - np.asarray(wanted)).mean() < 6


def test_a_small_picture_is_not_enlarged_for_its_thumbnail() -> None:
    with Image.open(io.BytesIO(thumbnail(working(31, 17)))) as picture:
        assert picture.size == (31, 17)


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (51, 64), (640, 64)])
def test_the_middle_is_that_of_the_whole_picture_made_small(size: tuple[int, int]) -> None:
    image = working(*size)
    made = prepare(image, ImageInput("rgb", (48, 48), short_side=56, resample="bicubic"))
    short = min(size)
    width, height = (int(56 * side / short) for side in size)
    left, top = (width - 48) // 2, (height - 48) // 2
    whole = np.asarray(Image.fromarray(image.pixels).resize((width, height), Image.Resampling.BICUBIC))
    difference = np.abs(made.astype(int) - whole[top : top + 48, left : left + 48])
    assert difference.max() <= 2  # Pillow may treat rows before columns
    assert difference.mean() < 0.3


def test_what_a_picture_does_not_reach_is_black() -> None:
    made = prepare(working(80, 40), ImageInput("rgb", (64, 64), short_side=20))
    assert made.shape == (64, 64, 3)
    assert not made[:22].any()
    assert not made[42:].any()
    assert not made[:, :12].any()
    assert not made[:, 52:].any()
    assert (made[22:42, 12:52].sum(axis=2) > 0).mean() > 0.99


def test_a_thread_of_a_picture_is_not_made_a_poster() -> None:
    line = WorkingImage(photo(1024, 1), 1024, 1, "png")
    assert prepare(line, ImageInput("rgb", (224, 224), short_side=4096)).shape == (224, 224, 3)


@pytest.mark.parametrize("resample", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"])
def test_a_stretched_picture_goes_through_the_filter_that_is_asked_for(resample: Resampling) -> None:
    image = working(300, 200)
    wanted = np.asarray(Image.fromarray(image.pixels).resize((96, 64), Image.Resampling[resample.upper()]))
    assert_pillows_pixels(prepare(image, ImageInput("rgb", (96, 64), resample=resample)), wanted, simd_levels=2)

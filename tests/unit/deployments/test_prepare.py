from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from deployments.extractor import ImageInput
from deployments.images import WorkingImage, decode
from deployments.prepare import prepare, prepare_each, thumbnail
from tests.unit.deployments.pictures import encoded, photo
from tests.unit.deployments.pillow_build import assert_pillows_pixels

FORMS = (
    ImageInput("gray", (96, 96)),
    ImageInput("gray"),
    ImageInput("rgb"),
    ImageInput("rgb", (224, 224)),
    ImageInput("gray", (8, 8)),
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

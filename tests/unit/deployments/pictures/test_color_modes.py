from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from deployments.extractor import Pixels
from deployments.pictures.color_modes import flat_rgb, simple_mode
from deployments.pictures.images import decode
from tests.unit.deployments.pictures.pillow_build import each
from tests.unit.deployments.pictures.samples import encoded, photo

RAMP = np.linspace(0, 1, 256).reshape(16, 16)
GRAY_RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def shown(picture: Image.Image) -> Pixels:
    return flat_rgb(simple_mode(picture))


@pytest.mark.parametrize(
    "mode", each("1", "L", "P", "LA", "PA", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "RGBa", "La")
)
def test_every_mode_becomes_rgb(mode: str) -> None:
    picture = Image.fromarray(photo(40, 30))
    via = {"PA": "P", "La": "LA", "RGBa": "RGBA"}.get(mode, mode)
    pixels = shown(picture.convert(via).convert(mode))
    assert pixels.shape == (30, 40, 3)
    assert pixels.dtype == np.uint8
    if mode in ("RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "RGBa"):
        assert np.abs(pixels.astype(int) - np.asarray(picture)).mean() < 4


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_shows_white(mode: str) -> None:
    picture = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    picture.putpixel((1, 0), (0, 0, 0, 128))
    pixels = shown(picture.convert(mode))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert abs(int(pixels[0, 1, 0]) - 127) <= 1


def test_the_transparent_colour_of_a_palette_shows_white() -> None:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putpixel((0, 0), 0)
    for name in ("png", "gif"):
        pixels = decode(encoded(picture, name, transparency=1)).pixels
        assert pixels[0, 0].tolist() == [10, 20, 30], name
        assert pixels[3, 3].tolist() == [255, 255, 255], name


def test_sixteen_bit_gray_keeps_its_scale() -> None:
    values = np.rint(RAMP * 65535).astype(np.uint16)
    pixels = decode(encoded(Image.fromarray(values), "png")).pixels
    assert np.abs(pixels[..., 0].astype(int) - GRAY_RAMP).max() <= 1
    dark = decode(encoded(Image.fromarray(values // 4), "png")).pixels
    assert dark.max() == 64


@pytest.mark.parametrize("scale", [1, 257])
def test_integers_of_thirty_two_bits_are_read_on_the_scale_they_fit(scale: int) -> None:
    pixels = decode(encoded(Image.fromarray(GRAY_RAMP.astype(np.int32) * scale), "tiff")).pixels
    np.testing.assert_array_equal(pixels[..., 1], GRAY_RAMP)


@pytest.mark.parametrize("scale", [1.0, 255.0, 65535.0])
def test_floats_are_read_on_the_scale_they_fit(scale: float) -> None:
    pixels = decode(encoded(Image.fromarray((RAMP * scale).astype(np.float32)), "tiff")).pixels
    np.testing.assert_array_equal(pixels[..., 2], GRAY_RAMP)


def test_values_on_no_scale_are_stretched() -> None:
    pixels = shown(Image.fromarray((RAMP * 4000 - 2000).astype(np.float32)))
    np.testing.assert_array_equal(pixels[..., 0], GRAY_RAMP)


def test_values_that_are_no_numbers_do_no_harm() -> None:
    values = RAMP.astype(np.float32)
    values[0, :3] = (np.nan, np.inf, -np.inf)
    assert shown(Image.fromarray(values)).shape == (16, 16, 3)
    assert shown(Image.fromarray(np.full((3, 3), 70000, np.int32))).max() == 0

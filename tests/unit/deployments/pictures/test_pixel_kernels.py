from __future__ import annotations

import numpy as np
import PIL
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deployments.extractor import Pixels
from deployments.pictures.pixel_kernels import color_counts, luma, resize_gray
from tests.unit.deployments.pictures.pillow_build import assert_pillows_pixels

sides = st.integers(1, 260)
seeds = st.integers(0, 10_000)


def noise(shape: tuple[int, ...], seed: int) -> Pixels:
    """Random bytes; for odd seeds only black and white, whose resampling overshoots most."""
    rng = np.random.default_rng(seed)
    values: Pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    return values if seed % 2 == 0 else np.where(values > 127, 255, 0).astype(np.uint8)


def resized_by_pillow(gray: Pixels, size: tuple[int, int], *, rows_first: bool) -> Pixels:
    """Axis by axis, so that the order is the one asked for in every release of Pillow."""
    height, width = gray.shape
    between = (width, size[1]) if rows_first else (size[0], height)
    picture = Image.fromarray(gray).resize(between, Image.Resampling.LANCZOS)
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))


@settings(max_examples=150, deadline=None)
@given(width=sides, height=sides, to_width=sides, to_height=sides, seed=seeds)
def test_resampling_is_that_of_pillow(width: int, height: int, to_width: int, to_height: int, seed: int) -> None:
    gray, size = noise((height, width), seed), (to_width, to_height)
    tall = height > to_height and height - to_height > 2 * (width - to_width)
    wanted = resized_by_pillow(gray, size, rows_first=tall)
    assert_pillows_pixels(resize_gray(gray, size), wanted, simd_levels=2)  # one at each of two axes


@pytest.mark.skipif(int(PIL.__version__.split(".")[0]) < 13, reason="older Pillow never begins with the rows")
@settings(max_examples=150, deadline=None)
@given(width=sides, height=st.integers(1, 600), seed=seeds)
def test_the_order_of_the_axes_is_that_of_pillow_13(width: int, height: int, seed: int) -> None:
    gray = noise((height, width), seed)
    wanted = np.asarray(Image.fromarray(gray).resize((96, 96), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(resize_gray(gray, (96, 96)), wanted)


@settings(max_examples=30, deadline=None)
@given(width=sides, height=sides, seed=seeds)
def test_luma_is_that_of_pillow(width: int, height: int, seed: int) -> None:
    pixels = noise((height, width, 3), seed)
    assert_pillows_pixels(luma(pixels), np.asarray(Image.fromarray(pixels).convert("L")), simd_levels=1)


@settings(max_examples=30, deadline=None)
@given(width=sides, height=sides, seed=seeds)
def test_colours_are_counted_as_numpy_counts_them(width: int, height: int, seed: int) -> None:
    pixels = noise((height, width, 3), seed)
    cells = (pixels >> 5).astype(np.int64) @ (64, 8, 1)
    np.testing.assert_array_equal(color_counts(pixels), np.bincount(cells.ravel(), minlength=512))


def test_arrays_may_be_read_only_or_have_gaps() -> None:
    pixels = noise((40, 60, 3), 2)
    whole = pixels[::2, ::3].copy()
    pixels.setflags(write=False)
    np.testing.assert_array_equal(luma(pixels[::2, ::3]), luma(whole))
    np.testing.assert_array_equal(color_counts(pixels[::2, ::3]), color_counts(whole))
    gray = luma(pixels)
    np.testing.assert_array_equal(resize_gray(gray[:, ::2], (9, 9)), resize_gray(gray[:, ::2].copy(), (9, 9)))

"""Which pictures are decoded on the event loop: only those whose cost is bounded before they are opened."""

from __future__ import annotations

import time
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deployments.pictures.images import QUICK_BYTES, decode, decodes_quickly
from storage.errors import ImageTooLarge


def encoded(size: tuple[int, int], kind: str = "JPEG", **options: Any) -> bytes:
    noise = np.random.default_rng(1).integers(0, 256, (size[1] // 10 + 1, size[0] // 10 + 1, 3), np.uint8)
    file = BytesIO()
    Image.fromarray(noise).resize(size).save(file, kind, **options)
    return file.getvalue()


def test_a_small_photograph_does() -> None:
    assert decodes_quickly(encoded((500, 375)))


def test_one_with_a_large_exif_thumbnail_before_its_own_header_does() -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 30_000
    assert decodes_quickly(encoded((500, 375), exif=exif))


@pytest.mark.parametrize(
    "data",
    [
        encoded((1200, 900)),
        encoded((500, 375), progressive=True),
        encoded((500, 375), "PNG"),
        encoded((500, 375)) + bytes(QUICK_BYTES),
        b"",
        b"\xff\xd8",
        b"\xff\xd8" + b"\xff" * 40,
        b"\xff\xd8\xff\xe0\x00\x00" * 20,
        encoded((500, 375))[:100],
    ],
    ids=["large", "progressive", "png", "heavy", "empty", "cut", "fill bytes", "empty segments", "no frame"],
)
def test_others_do_not(data: bytes) -> None:
    assert not decodes_quickly(data)


def progressive(size: tuple[int, int], extra: int) -> bytes:
    """A gray JPEG whose last scan comes so many times more."""
    buffer = BytesIO()
    Image.new("L", size, 128).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * extra + data[-2:]


def test_a_jpeg_that_goes_over_its_pixels_again_and_again_is_refused_before_it_is_decoded() -> None:
    for size, extra in (((9990, 9990), 100), ((2000, 2000), 1000), ((64, 64), 1000)):
        data = progressive(size, extra)
        started = time.perf_counter()
        with pytest.raises(ImageTooLarge, match="scans of"):
            decode(data)
        assert time.perf_counter() - started < 1.0


def test_the_scans_that_programs_write_are_read() -> None:
    assert decode(progressive((640, 480), 0)).width == 640
    assert decode(progressive((640, 480), 20)).width == 640
    apart = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    buffer = BytesIO()
    Image.fromarray(apart).save(buffer, "JPEG", progressive=True, quality=95)
    assert decode(buffer.getvalue()).width == 64

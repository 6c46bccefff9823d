"""Which pictures are decoded on the event loop: only those whose cost is bounded before they are opened."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deployments.pictures.images import QUICK_BYTES, decodes_quickly


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

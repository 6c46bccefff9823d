"""Made-up pictures with corners, and copies of them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageOps


def scene(seed: int, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """A picture with corners and grounds, another one for every seed."""
    dice = np.random.default_rng(seed)
    picture = Image.fromarray(dice.integers(60, 200, (6, 8, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(60):
        x, y = int(dice.integers(0, size[0])), int(dice.integers(0, size[1]))
        width, height = dice.integers(8, 60, 2).tolist()
        draw.rectangle((x, y, x + width, y + height), fill=tuple(dice.integers(0, 256, 3).tolist()))
    return picture


def encoded(picture: Image.Image, quality: int = 92, kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, quality=quality)
    return file.getvalue()


def copies_of(picture: Image.Image) -> dict[str, bytes]:
    half = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)
    return {
        "recompressed": encoded(picture, 60),
        "small": encoded(half),
        "mirrored": encoded(ImageOps.mirror(half), 85),
        "turned": encoded(half.rotate(90, expand=True), 85),
        "upside down": encoded(half.rotate(180), 85),
        "turned back": encoded(half.rotate(270, expand=True), 85),
    }

"""Every pixel mode that Pillow decodes to, made 8-bit RGB: what a viewer would show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deployments.extractor import Pixels

WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa")
PALETTE_OR_PLAIN = ("1", "L", "P", "RGB")
FULL_SCALE = 255
LARGEST = float(np.finfo(np.float32).max)  # in place of infinity


def simple_mode(picture: Image.Image) -> Image.Image:
    """The picture in ``L``, ``RGB`` or ``RGBA``: the three that can be resized and then flattened."""
    if picture.mode == "La":
        picture = picture.convert("LA")  # the only mode that it converts to
    mode = picture.mode
    if mode in ("I", "F") or mode.startswith("I;16"):
        return Image.fromarray(_eight_bits(np.asarray(picture)))
    if mode in WITH_ALPHA or (mode in PALETTE_OR_PLAIN and "transparency" in picture.info):
        return picture if mode == "RGBA" else picture.convert("RGBA")
    if mode == "1":
        return picture.convert("L")
    return picture if mode in ("L", "RGB") else picture.convert("RGB")


def flat_rgb(picture: Image.Image) -> Pixels:
    """(H, W, 3) RGB of a picture in a simple mode, laid over white where it is transparent."""
    if picture.mode == "RGBA":
        paper = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(paper, picture)
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))


def _eight_bits(values: NDArray[np.generic]) -> Pixels:
    """16-bit, 32-bit and floating-point gray, brought to 0..255.

    16-bit pixels use the whole of their scale. The other two have none: values within 0..1 (floats), 0..255 or 0..65535
    are taken to be of that scale, and anything else is stretched from its least to its greatest.
    """
    scaled = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=LARGEST, neginf=0.0)
    low, high = float(scaled.min()), float(scaled.max())
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        low, high = 0.0, 65535.0
    elif low >= 0 and high <= 65535:
        unit = 1.0 if values.dtype.kind == "f" and high <= 1 else float(FULL_SCALE)
        low, high = 0.0, unit if high <= unit else 65535.0
    span = high - low or 1.0
    return np.asarray(np.rint((scaled - low) * (FULL_SCALE / span)), np.uint8)

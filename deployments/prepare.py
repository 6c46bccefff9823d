"""The working image in the forms that extractors ask for, and as a thumbnail."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from deployments.extractor import ImageInput, Pixels
from deployments.images import WorkingImage
from deployments.pixel_kernels import luma, resize_gray

THUMBNAIL_SIDE = 256
THUMBNAIL_SIDE_LEAST = 192
THUMBNAIL_QUALITY = 80


def prepare(image: WorkingImage, want: ImageInput) -> Pixels:
    """(H, W) gray or (H, W, 3) RGB uint8: as it is, or by Lanczos at ``want.size``, aspect ratio not kept."""
    return prepare_each(image, (want,))[want]


def prepare_each(image: WorkingImage, wants: Iterable[ImageInput]) -> dict[ImageInput, Pixels]:
    """Each form once, however many extractors want it; gray is computed once for all its sizes."""
    forms: dict[ImageInput, Pixels] = {}
    gray: Pixels | None = None
    for want in dict.fromkeys(wants):
        if want.color == "gray":
            gray = luma(image.pixels) if gray is None else gray
            forms[want] = gray if want.size is None else resize_gray(gray, want.size)
        else:
            forms[want] = image.pixels if want.size is None else _resized_rgb(image.pixels, want.size)
    return forms


def thumbnail(image: WorkingImage) -> bytes:
    """JPEG, long side 192 to 256, never enlarged. Averaging squares of whole pixels costs a third of a resize to
    exactly 256, which is left for the sizes that it would make too small.
    """
    pixels = image.pixels
    long_side = max(pixels.shape[:2])
    square = -(-long_side // THUMBNAIL_SIDE)
    if square > 1:
        shrink = 1 / square if long_side // square >= THUMBNAIL_SIDE_LEAST else THUMBNAIL_SIDE / long_side
        height, width = (max(int(side * shrink + 1e-6), 1) for side in pixels.shape[:2])
        whole = pixels[: height * square, : width * square] if shrink == 1 / square else pixels
        pixels = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    encoded: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels), THUMBNAIL_QUALITY, colorspace="RGB", colorsubsampling="420"
    )
    return encoded


def _resized_rgb(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    width, height = size
    columns = Image.fromarray(pixels).resize((width, pixels.shape[0]), Image.Resampling.LANCZOS)
    return np.asarray(columns.resize((width, height), Image.Resampling.LANCZOS))

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
    """JPEG, long side at most 256, never enlarged."""
    pixels = image.pixels
    shrink = THUMBNAIL_SIDE / max(pixels.shape[:2])
    if shrink < 1:
        height, width = (max(round(side * shrink), 1) for side in pixels.shape[:2])
        pixels = _halved(pixels, width, height)
        pixels = np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    encoded: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels), THUMBNAIL_QUALITY, colorspace="RGB", colorsubsampling="420"
    )
    return encoded


def _resized_rgb(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    width, height = size
    columns = Image.fromarray(pixels).resize((width, pixels.shape[0]), Image.Resampling.LANCZOS)
    return np.asarray(columns.resize((width, height), Image.Resampling.LANCZOS))


def _halved(pixels: Pixels, width: int, height: int) -> Pixels:
    """Halved by averaging until bilinear sampling at ``width`` x ``height`` skips no pixel."""
    while pixels.shape[0] > 2 * height and pixels.shape[1] > 2 * width:
        rows, columns = pixels.shape[0] // 2, pixels.shape[1] // 2
        even = pixels[: 2 * rows, : 2 * columns]
        pixels = np.asarray(cv2.resize(even, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
    return pixels

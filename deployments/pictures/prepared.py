"""The CPU work that every picture needs before any extractor sees it, done once: decode, forms, checksum, thumbnail."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from deployments.extractor import ImageInput, Pixels, Resampling
from deployments.pictures import pixel_kernels
from deployments.pictures.images import DecodeLimits, WorkingImage, decode
from deployments.pictures.pixel_kernels import luma, resize_gray
from storage.types.pictures import Exif

THUMBNAIL_SIDE = 256
THUMBNAIL_SIDE_LEAST = 192
THUMBNAIL_QUALITY = 80


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is stored of a picture beside its features; small, unlike its pixels.

    width, height: of the original, EXIF orientation applied. sha256: of the bytes, hex. thumbnail: JPEG; empty unless
    asked for. exif: empty of a picture without.
    """

    width: int
    height: int
    format: str
    sha256: str
    byte_size: int
    thumbnail: bytes = b""
    exif: Exif = field(default_factory=Exif)


@dataclass(frozen=True, slots=True, eq=False)
class PreparedPicture:
    """A decoded picture. forms: what the extractors asked for."""

    facts: PictureFacts
    forms: Mapping[ImageInput, Pixels]


def warm_up() -> None:
    """Once a process, before its first picture: kernels compiled, and OpenCV kept from starting threads of its own,
    which the decoding threads and workers would only compete with.
    """
    cv2.setNumThreads(1)
    pixel_kernels.warm_up()


def prepare_picture(
    data: bytes, inputs: Iterable[ImageInput], limits: DecodeLimits, *, with_thumbnail: bool = False
) -> PreparedPicture:
    """Raises an UnreadableImage for bytes that are no picture of ours."""
    image = decode(data, limits)
    facts = PictureFacts(
        width=image.width,
        height=image.height,
        format=image.format,
        sha256=hashlib.sha256(data).hexdigest(),
        byte_size=len(data),
        thumbnail=thumbnail(image) if with_thumbnail else b"",
        exif=image.exif,
    )
    return PreparedPicture(facts, prepare_each(image, inputs))


def prepare(image: WorkingImage, want: ImageInput) -> Pixels:
    """(H, W) gray or (H, W, 3) RGB uint8: as it is, or at ``want.size`` as `ImageInput` says."""
    return prepare_each(image, (want,))[want]


def prepare_each(image: WorkingImage, wants: Iterable[ImageInput]) -> dict[ImageInput, Pixels]:
    """Each form once, however many extractors want it; gray is computed once for all its sizes."""
    wanted = dict.fromkeys(wants)
    sources = {"rgb": image.pixels}
    if any(want.color == "gray" for want in wanted):
        sources["gray"] = luma(image.pixels)
    return {want: _form(sources[want.color], want) for want in wanted}


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
    pixels = np.ascontiguousarray(pixels)
    return bytes(simplejpeg.encode_jpeg(pixels, THUMBNAIL_QUALITY, colorspace="RGB", colorsubsampling="420"))


def _form(pixels: Pixels, want: ImageInput) -> Pixels:
    if want.size is None:
        return pixels
    if want.short_side is not None:
        return _middle(pixels, want.size, want.short_side, want.resample)
    if pixels.ndim == 2 and want.resample == "lanczos":
        return resize_gray(pixels, want.size)
    return _resized(pixels, want.size, want.resample)


def _middle(pixels: Pixels, size: tuple[int, int], short_side: int, resample: Resampling) -> Pixels:
    """The middle of ``size`` of the picture with its short side at ``short_side``, black around it where it is smaller.

    Only that part is computed: a picture of 1024 x 1 pixels would otherwise grow to the size of a poster. Where the
    middle lies, and to which side its odd pixel goes: ``center_crop`` in transformers' ``image_transforms.py``.
    """
    height, width = pixels.shape[:2]
    short = min(width, height)
    whole = (int(short_side * width / short), int(short_side * height / short))
    seen = (min(size[0], whole[0]), min(size[1], whole[1]))
    left, top = ((whole[i] - seen[i]) // 2 for i in (0, 1))
    steps = width / whole[0], height / whole[1]
    box = (left * steps[0], top * steps[1], (left + seen[0]) * steps[0], (top + seen[1]) * steps[1])
    middle = _resized(pixels, seen, resample, (*box[:2], min(box[2], width), min(box[3], height)))
    if seen == size:
        return middle
    form = np.zeros((size[1], size[0], *pixels.shape[2:]), np.uint8)
    left, top = (-(-(size[i] - seen[i]) // 2) for i in (0, 1))
    form[top : top + seen[1], left : left + seen[0]] = middle
    return form


def _resized(
    pixels: Pixels, size: tuple[int, int], resample: Resampling, box: tuple[float, float, float, float] | None = None
) -> Pixels:
    """``box`` of the picture, or all of it, at ``size``: columns first, whatever the version of Pillow prefers."""
    left, top, right, bottom = box or (0.0, 0.0, float(pixels.shape[1]), float(pixels.shape[0]))
    by = Image.Resampling[resample.upper()]
    columns = Image.fromarray(pixels).resize((size[0], pixels.shape[0]), by, (left, 0, right, pixels.shape[0]))
    return np.asarray(columns.resize(size, by, (0, top, size[0], bottom)))

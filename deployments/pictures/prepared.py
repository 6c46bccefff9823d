"""The CPU work that every picture needs before any extractor sees it, done once: decode, forms, checksum, thumbnail."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import cv2

from deployments.extractor import ImageInput, Pixels
from deployments.pictures import pixel_kernels
from deployments.pictures.images import DecodeLimits, decode
from deployments.pictures.prepare import prepare_each, thumbnail


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is stored of a picture beside its features; small, unlike its pixels.

    width, height: of the original, EXIF orientation applied. sha256: of the bytes, hex. thumbnail: JPEG; empty unless
    asked for.
    """

    width: int
    height: int
    format: str
    sha256: str
    byte_size: int
    thumbnail: bytes = b""


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
    )
    return PreparedPicture(facts, prepare_each(image, inputs))

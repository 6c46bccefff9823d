"""Bytes to the working image: the one form of a picture that every feature is computed from.

RGB, 8 bits, EXIF orientation applied, transparency over white, long side at most 1024. A search, an add and a batch
job all come through `decode`, so that the same file gives the same pixels in each. A JPEG is decoded at M/8 of its
size, M the largest that needs no resize afterwards; other formats are decoded in full and resized.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import simplejpeg
from PIL import Image, ImageFile, JpegImagePlugin

from deployments.extractor import Pixels
from deployments.pictures.color_modes import flat_rgb, simple_mode
from deployments.pictures.exif import picture_exif, raw_exif
from deployments.pictures.formats import DAMAGED, open_picture, picture_format
from deployments.pictures.raw import LEAST_PREVIEW, RawFile, open_raw
from storage.errors import ImageTooLarge, UnreadableImage
from storage.types.pictures import Exif

DECODE_VERSION = "1"  # goes into every fingerprint: raise it when the same file would give other pixels
MAX_SIDE = 1024

ORIENTATION_TAG = 0x0112
FIRST_ON_ITS_SIDE = 5  # orientations 5 to 8 exchange width and height
FLIPS = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}  # cv2's codes by orientation; from 5 on, of the transposed picture

QUICK_BYTES = 256 * 1024
QUICK_PIXELS = 1_000_000
START_OF_FRAME = range(0xC0, 0xD0)
NO_FRAME = (0xC4, 0xC8, 0xCC)  # tables and an extension, numbered among the frames
START_OF_SCAN = b"\xff\xda"  # in the pixels' own bytes a zero follows every FF
SCANS_OF_THE_LARGEST = 16
FEWEST_SCANS, MOST_SCANS = 24, 500  # that are allowed, of the largest and of small pictures
SEQUENTIAL_SCANS = 8  # of a file that is not progressive: one for each component, and none twice
SEQUENTIAL = (0xC0, 0xC1)  # a progressive file may hold any number of passes over the same pixels


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """max_pixels: width x height as the file declares them; nothing larger is decoded."""

    max_pixels: int = 100_000_000


@dataclass(frozen=True, slots=True, eq=False)
class WorkingImage:
    """A decoded picture.

    pixels: (H, W, 3) uint8 RGB, C-contiguous, read-only, max(H, W) <= 1024.
    width, height: of the original in pixels, EXIF orientation applied. format: a key of `FORMATS`, or ``raw``. exif:
    empty of a picture without.
    """

    pixels: Pixels
    width: int
    height: int
    format: str
    exif: Exif = field(default_factory=Exif)


def decode(data: bytes, limits: DecodeLimits | None = None) -> WorkingImage:
    """The working image of a file's bytes.

    Raises `UnsupportedImage` (empty, not a picture, or a format not read here), `ImageTooLarge` (over ``limits``),
    `UnreadableImage` (damaged or truncated), and nothing else.
    """
    name = picture_format(data)
    if name == "raw":
        return _raw_image(data, limits or DecodeLimits())
    picture = open_picture(name, data)
    width, height = picture.size
    _check_pixels(width, height, limits or DecodeLimits())
    if isinstance(picture, JpegImagePlugin.JpegImageFile):
        _check_scans(data, picture, limits or DecodeLimits())
    try:
        if name == "jpeg":
            pixels = _jpeg_pixels(data, picture)
        else:
            picture.load()
            width, height = picture.size  # a TIFF is turned as its EXIF says while it loads
            pixels = flat_rgb(_fitted(simple_mode(picture)))
    except Exception as error:  # decoders raise anything on bytes that somebody chose with care
        raise UnreadableImage(f"the {name.upper()} data cannot be decoded: {error}", DAMAGED) from error
    orientation = _orientation(picture)
    if orientation >= FIRST_ON_ITS_SIDE:
        width, height = height, width
    pixels = np.ascontiguousarray(_turned(pixels, orientation))
    pixels.setflags(write=False)
    return WorkingImage(pixels, width, height, name, picture_exif(name, data, picture))


def decodes_quickly(data: bytes) -> bool:
    """Whether these are a sequential JPEG's bytes, few enough for a few milliseconds at worst, whatever they hold. Told
    from the header: the router decodes on its event loop what is certain to be quick, and nothing else, so that no
    upload holds up the others.
    """
    if len(data) > QUICK_BYTES or not data.startswith(b"\xff\xd8"):
        return False
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker in START_OF_FRAME and marker not in NO_FRAME:
            height, width = _number(data, position + 5), _number(data, position + 7)
            return marker in SEQUENTIAL and width * height <= QUICK_PIXELS
        position += 2 + _number(data, position + 2)
    return False


def _number(data: bytes, position: int) -> int:
    return int.from_bytes(data[position : position + 2], "big")


def _check_pixels(width: int, height: int, limits: DecodeLimits) -> None:
    if width * height > limits.max_pixels:
        raise ImageTooLarge(
            f"the picture has {width} x {height} = {width * height} pixels, more than the limit of {limits.max_pixels}",
            "send a smaller version of it, or raise limits.max_pixels in the configuration",
        )
    if width < 1 or height < 1:
        raise UnreadableImage(f"the picture has {width} x {height} pixels", DAMAGED)


def _check_scans(data: bytes, picture: JpegImagePlugin.JpegImageFile, limits: DecodeLimits) -> None:
    """Each scan of a JPEG goes over all pixels again, and takes no more than ten bytes: cameras and editors write about
    ten of them, and the largest pictures may have a few more.
    """
    first = 0 if picture.fp is None else picture.fp.tell()  # behind the marker of the first scan
    is_progressive = "progressive" in picture.info
    if not is_progressive and data[first + 2 : first + 3] == bytes([picture.layers]):
        return  # one scan has all components, and nothing behind it is read
    scans = 1 + data.count(START_OF_SCAN, first)
    whole_pictures = SCANS_OF_THE_LARGEST * limits.max_pixels // (picture.width * picture.height)
    if scans > (max(FEWEST_SCANS, min(MOST_SCANS, whole_pictures)) if is_progressive else SEQUENTIAL_SCANS):
        raise ImageTooLarge(
            f"the JPEG has {scans} scans of {picture.width} x {picture.height} pixels, more than are decoded",
            "save it again as an ordinary JPEG or as PNG",
        )


def _raw_image(data: bytes, limits: DecodeLimits) -> WorkingImage:
    with open_raw(data) as raw:
        _check_pixels(*raw.sensor, limits)
        _check_pixels(raw.width, raw.height, limits)
        exif = raw_exif(data)
        preview = _raw_preview(raw, limits)
        if preview is None:
            pixels = flat_rgb(_fitted(Image.fromarray(raw.half_size())))
        else:
            pixels = preview.pixels if preview.exif.orientation else _turned(preview.pixels, raw.orientation)
            taken_at, camera = exif.taken_at or preview.exif.taken_at, exif.camera or preview.exif.camera
            exif = replace(exif, taken_at=taken_at, camera=camera, gps=exif.gps or preview.exif.gps)
    pixels = np.ascontiguousarray(pixels)
    pixels.setflags(write=False)
    return WorkingImage(
        pixels, raw.width, raw.height, "raw", replace(exif, orientation=exif.orientation or raw.orientation)
    )


def _raw_preview(raw: RawFile, limits: DecodeLimits) -> WorkingImage | None:
    """None where it has none that is large enough and can be read."""
    data = raw.preview()
    try:
        preview = None if data is None else decode(data, limits)
    except UnreadableImage:
        return None
    return preview if preview and max(preview.width, preview.height) >= LEAST_PREVIEW else None


def _jpeg_pixels(data: bytes, picture: ImageFile.ImageFile) -> Pixels:
    """simplejpeg where it can, Pillow for CMYK and for files with flaws that every viewer forgives."""
    width, height = picture.size
    eighths = min(max(MAX_SIDE * 8 // max(width, height), 1), 8)
    scaled = -(-width * eighths // 8), -(-height * eighths // 8)
    if picture.mode in ("RGB", "L") and isinstance(picture, JpegImagePlugin.JpegImageFile):
        try:
            pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB", min_width=scaled[0], min_height=scaled[1])
            if pixels.shape[:2] == scaled[::-1]:
                return pixels if max(scaled) <= MAX_SIDE else flat_rgb(_fitted(Image.fromarray(pixels)))
        except ValueError:
            pass  # Pillow decides whether the flaw is one to refuse
    picture.draft(None, scaled)
    picture.load()
    return flat_rgb(_fitted(simple_mode(picture), scaled))


def _fitted(picture: Image.Image, size: tuple[int, int] | None = None) -> Image.Image:
    """``picture`` at ``size``, or at its own where none is given, and never over 1024 on a side.

    Boxes of whole pixels first, then one axis after the other: left to itself, Pillow orders them by the shape of the
    picture, and not in every version.
    """
    width, height = size or picture.size
    if max(width, height) > MAX_SIDE:
        shrink = MAX_SIDE / max(width, height)
        width, height = max(round(width * shrink), 1), max(round(height * shrink), 1)
    if picture.size == (width, height):
        return picture
    boxes = (max(picture.width // (2 * width), 1), max(picture.height // (2 * height), 1))
    reduced = picture.reduce(boxes)
    return reduced.resize((width, reduced.height), Image.Resampling.BICUBIC).resize(
        (width, height), Image.Resampling.BICUBIC
    )


def _orientation(picture: Image.Image) -> int:
    """EXIF orientation 1..8; 1 where there is none or the block is damaged, which is no reason to refuse a picture."""
    try:
        value = picture.getexif().get(ORIENTATION_TAG)
    except Exception:  # the parser raises anything on a damaged block
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """The picture as it is meant to be seen. cv2 turns it five times as fast as numpy copies a turned view."""
    if orientation >= FIRST_ON_ITS_SIDE:
        pixels = np.asarray(cv2.transpose(pixels), np.uint8)
    if orientation in FLIPS:
        pixels = np.asarray(cv2.flip(pixels, FLIPS[orientation]), np.uint8)
    return pixels

"""EXIF blocks made for these tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

MAKE, MODEL, ORIENTATION, CHANGED = 271, 272, 274, 306
ORIGINAL, DIGITIZED = 36867, 36868
ZONE_CHANGED, ZONE_ORIGINAL, ZONE_DIGITIZED = 36880, 36881, 36882


def exif(
    entries: Mapping[int, Any] | None = None,
    camera: Mapping[int, Any] | None = None,
    gps: Mapping[int, Any] | None = None,
) -> Image.Exif:
    """Three directories, by tag."""
    made = Image.Exif()
    for tag, value in {**(entries or {}), ExifTags.IFD.Exif: camera, ExifTags.IFD.GPSInfo: gps}.items():
        if value:
            made[tag] = value
    read = Image.Exif()
    read.load(made.tobytes())  # Pillow writes a TIFF's directories only of a block that was read
    return read


def block(*directories: Mapping[int, Any] | None) -> bytes:
    return exif(*directories).tobytes()[6:]


def place(north: str, latitude: tuple[float, ...], east: str, longitude: tuple[float, ...]) -> dict[int, Any]:
    return {1: north, 2: tuple(map(fraction, latitude)), 3: east, 4: tuple(map(fraction, longitude))}


def fraction(value: float) -> IFDRational:
    return IFDRational(round(value * 1000), 1000)


def of_a_camera() -> Image.Exif:
    """As full as that of a photo from a camera, with each kind of entry."""
    return exif(
        {
            MAKE: "Canon",
            MODEL: "Canon EOS 5D",
            ORIENTATION: 6,
            282: 72.0,
            283: 72.0,
            296: 2,
            CHANGED: "2020:02:03 04:05:06",
        },
        {
            33434: fraction(0.008),
            33437: fraction(5.6),
            34855: 200,
            36864: b"0230",
            ORIGINAL: "2019:06:01 10:11:12",
            DIGITIZED: "2019:06:01 10:11:13",
            ZONE_ORIGINAL: "+02:00",
            37500: bytes(8000),
            37521: "12",
            40962: 6720,
        },
        place("N", (48, 51, 29.5), "W", (2, 17, 40.2)),
    )

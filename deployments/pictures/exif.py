"""What a camera wrote into a file beside the pixels: when, by which camera, which side is up, where.

Pillow finds the block in the file. The block itself is read here, and only the few entries that are kept: Pillow's
reader decodes every entry of a directory, of any size, at several times the cost. Nothing that the bytes hold raises:
what does not make sense is not known.

Source: Exif 2.32 (CIPA DC-008).
"""

from __future__ import annotations

import re
import struct
from datetime import UTC, datetime, timedelta, timezone
from math import isfinite
from typing import Any

from PIL import ImageFile

from deployments.pictures.formats import open_picture, picture_format
from deployments.pictures.tiff_entries import Entries, TiffBlock
from storage.errors import LookalikeError
from storage.types.pictures import Exif

MAKE, MODEL, ORIENTATION, CHANGED = 0x010F, 0x0110, 0x0112, 0x0132
CAMERA_ENTRIES, GPS_ENTRIES = 0x8769, 0x8825  # where these two directories lie
TAKEN = ((0x9003, 0x9011), (0x9004, 0x9012), (CHANGED, 0x9010))  # DateTimeOriginal, Digitized, DateTime; their zones
LATITUDE, LONGITUDE = (1, 2, 90), (3, 4, 180)  # tag of the side, tag of the degrees, most degrees

TEXTS, FRACTIONS, SIGNED_FRACTION = (1, 2, 7, 129), (5, 10), 10
WANTED = {MAKE, MODEL, ORIENTATION, CAMERA_ENTRIES, GPS_ENTRIES, *(tag for pair in TAKEN for tag in pair)}
WANTED_GPS = {1, 2, 3, 4}
MOST_LETTERS = 64  # of a camera's name
MOST_ZONE = timedelta(hours=15)

PREFIX = b"Exif\0\0"
RAF = b"FUJIFILMCCD-RAW"
MOST_BOXES = 64 * 1024  # bytes that begin a CR3, the boxes with EXIF among them
DATE = re.compile(r"(\d{4})[:/.-](\d\d)[:/.-](\d\d)[ T](\d\d):(\d\d):(\d\d)(?!\d)", re.ASCII)
ZONE = re.compile(r"([+-])(\d\d):?(\d\d)|Z", re.ASCII)


def read_exif(data: bytes) -> Exif:
    """Of a file's bytes, without decoding its pixels. Empty where the file has none, or none that makes sense.

    Raises `UnsupportedImage` and `UnreadableImage` as `decode` does, for bytes that are no picture.
    """
    name = picture_format(data)
    if name == "raw":
        return raw_exif(data)
    return picture_exif(name, data, open_picture(name, data))


def picture_exif(name: str, data: bytes, picture: ImageFile.ImageFile) -> Exif:
    """Of a picture that `open_picture` opened. Never raises."""
    exif = exif_of_block(_block(name, data, picture.info))
    turned = picture.info.get("original_orientation")  # HEIC: the block says 1 once the picture is opened
    if name != "heic" or turned not in range(1, 9):
        return exif
    return Exif(exif.taken_at, exif.camera, turned, exif.gps)


def exif_of_block(data: bytes) -> Exif:
    """data: begins like a TIFF, as EXIF does in every format. Never raises."""
    block = TiffBlock.of(data)
    if block is None:
        return Exif()
    entries = block.first_directory(WANTED)
    for start in block.numbers(entries.get(CAMERA_ENTRIES))[:1]:
        entries = block.directory(start, WANTED) | entries
    places: Entries = {}
    for start in block.numbers(entries.get(GPS_ENTRIES))[:1]:
        places = block.directory(start, WANTED_GPS)
    [orientation] = block.numbers(entries.get(ORIENTATION))[:1] or [0]
    return Exif(
        taken_at=_taken_at(entries),
        camera=_camera(entries),
        orientation=orientation if 1 <= orientation <= 8 else None,
        gps=_position(places, block.order),
    )


def raw_exif(data: bytes) -> Exif:
    """Of a RAW file. Never raises."""
    if data.startswith(RAF):
        start, size = (int.from_bytes(data[at : at + 4], "big") for at in (84, 88))
        try:
            return read_exif(data[start : start + size])
        except LookalikeError:
            return Exif()
    if data[4:8] != b"ftyp":
        return exif_of_block(data)
    camera, taken, places = (_box(data, name) for name in (b"CMT1", b"CMT2", b"CMT4"))  # of CR3, each like a TIFF
    said, block = exif_of_block(camera), TiffBlock.of(places)
    gps = None if block is None else _position(block.first_directory(WANTED_GPS), block.order)
    return Exif(exif_of_block(taken).taken_at or said.taken_at, said.camera, said.orientation, gps)


def _box(data: bytes, name: bytes) -> bytes:
    at = data.find(name, 0, MOST_BOXES)
    return data[at + 4 : at - 4 + int.from_bytes(data[at - 4 : at], "big")] if at >= 4 else b""


def _block(name: str, data: bytes, info: dict[Any, Any]) -> bytes:
    if name == "tiff":
        return data
    block = info.get("exif") or b""
    if name == "png" and not block:
        block = _png_block(data, info)
    for _ in range(2):  # some programs write it twice
        if block.startswith(PREFIX):
            block = block[len(PREFIX) :]
    return bytes(block)


def _png_block(data: bytes, info: dict[Any, Any]) -> bytes:
    """From a chunk behind the pixels, or from text as ImageMagick writes it."""
    if text := info.get("Raw profile type exif"):
        try:
            return bytes.fromhex("".join(str(text).split("\n")[3:]))
        except ValueError:
            return b""
    position = 8
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        if data[position + 4 : position + 8] == b"eXIf":
            return data[position + 8 : position + 8 + size]
        position += 12 + size
    return b""


def _text(entries: Entries, tag: int) -> str:
    """Up to its end mark, on one line, no longer than a name is; empty where there is none."""
    kind, data = entries.get(tag, (0, b""))
    if kind not in TEXTS:
        return ""
    data = data.lstrip(b"\0 ").split(b"\0", 1)[0]
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(shown.split())[:MOST_LETTERS].rstrip()


def _camera(entries: Entries) -> str | None:
    make, model = _text(entries, MAKE), _text(entries, MODEL)
    said_in_model = bool(model) and model.split()[0].casefold() in make.casefold().split()
    return (model if said_in_model else f"{make} {model}".strip()) or None


def _taken_at(entries: Entries) -> str | None:
    """The first date that is one, to the second, with its zone where that makes sense."""
    for tag, zone_tag in TAKEN:
        if found := DATE.match(_text(entries, tag)):
            year, month, day, hour, minute, second = map(int, found.groups())
            try:
                taken = datetime(year, month, day, hour, minute, second)
            except ValueError:
                continue
            return taken.replace(tzinfo=_zone(_text(entries, zone_tag))).isoformat()
    return None


def _zone(text: str) -> timezone | None:
    found = ZONE.fullmatch(text)
    if found is None:
        return None
    if text == "Z":
        return UTC
    sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if sign == "-" else offset) if offset < MOST_ZONE else None


def _position(entries: Entries, order: str) -> tuple[float, float] | None:
    latitude, longitude = (_degrees(entries, order, *axis) for axis in (LATITUDE, LONGITUDE))
    return None if latitude is None or longitude is None else (latitude, longitude)


def _degrees(entries: Entries, order: str, side_tag: int, tag: int, most: int) -> float | None:
    """Degrees, minutes and seconds, of which the last may be missing; None where there is no such place."""
    side, (kind, data) = _text(entries, side_tag).upper()[:1], entries.get(tag, (0, b""))
    if not side or side not in ("NS" if tag == LATITUDE[1] else "EW") or kind not in FRACTIONS or not data:
        return None
    pair = struct.Struct(order + ("ii" if kind == SIGNED_FRACTION else "II"))
    degrees = 0.0
    for unit, (above, below) in zip((1, 60, 3600), pair.iter_unpack(data[: len(data) // 8 * 8]), strict=False):
        if not below:
            return None
        degrees += above / below / unit
    if not isfinite(degrees) or not 0 <= degrees <= most:
        return None
    return round(-degrees if side in "SW" else degrees, 7)

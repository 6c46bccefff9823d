"""RAW files made for these tests: DNGs of a Bayer sensor, uncompressed, with an embedded preview or without."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deployments.extractor import Pixels
from tests.unit.deployments.pictures.samples import encoded

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 10: 8}
LETTERS = {1: "B", 3: "H", 4: "I", 5: "I", 10: "i"}
Entry = tuple[int, Sequence[int] | bytes]  # kind and values
DNG_VERSION = 50706


def tiff(*directories: Mapping[int, Entry], data: bytes = b"") -> bytes:
    """Little-endian, with ``data`` at byte 8 and the directories behind it; -N in a LONG is where directory N lies."""
    starts, at = [], 8 + len(data)
    for directory in directories:
        starts.append(at)
        at += 2 + 12 * len(directory) + 4 + sum(-(-len(_raw(entry, {})) // 2) * 2 for entry in directory.values())
    whole = b"II*\0" + struct.pack("<I", starts[0]) + data
    for start, directory in zip(starts, directories, strict=True):
        values, heads = b"", struct.pack("<H", len(directory))
        behind = start + 2 + 12 * len(directory) + 4
        for tag, entry in sorted(directory.items()):
            value = _raw(entry, dict(enumerate(starts)))
            count = len(value) // SIZES[entry[0]]
            inline = len(value) <= 4
            heads += struct.pack("<HHI", tag, entry[0], count)
            heads += value.ljust(4, b"\0") if inline else struct.pack("<I", behind + len(values))
            values += value + b"\0" * (len(value) % 2)
        body = heads + bytes(4) + values
        whole += body.ljust([*starts, at][starts.index(start) + 1] - start, b"\0")
    return whole


def _raw(entry: Entry, starts: Mapping[int, int]) -> bytes:
    kind, values = entry
    if isinstance(values, bytes):
        return values
    return struct.pack(
        f"<{len(values)}{LETTERS[kind]}", *(starts.get(-v, 0) if kind == 4 and v < 0 else v for v in values)
    )


def dng(picture: Pixels, preview: bytes | None = None, orientation: int = 1, **entries: Entry) -> bytes:
    """picture: (H, W, 3), as the sensor lies. preview: a JPEG, as the sensor lies."""
    height, width = picture.shape[:2]
    mosaic = bayer(picture).astype("<u2").tobytes()
    named: dict[int, Entry] = {
        271: (2, b"Camera\0"),
        272: (2, b"Camera One\0"),
        274: (3, [orientation]),
        306: (2, b"2019:06:01 10:11:12\0"),
        DNG_VERSION: (1, [1, 4, 0, 0]),
        50708: (2, b"Camera One\0"),
        50721: (10, [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]),
        50728: (5, [1, 1, 1, 1, 1, 1]),
        50778: (3, [21]),
        **{int(tag.removeprefix("tag_")): entry for tag, entry in entries.items()},
    }
    sensor: dict[int, Entry] = {
        254: (4, [0]),
        **_pixels(width, height, 16, 1, 32803, 1, 8, len(mosaic)),
        33421: (3, [2, 2]),
        33422: (1, [0, 1, 1, 2]),
        50714: (3, [0]),
        50717: (4, [65535]),
    }
    if preview is None:
        return tiff({**named, **sensor}, data=mosaic)
    small = _pixels(width, height, 8, 3, 6, 7, 8 + len(mosaic), len(preview))
    return tiff({254: (4, [1]), **named, **small, 330: (4, [-1])}, sensor, data=mosaic + preview)


def _pixels(
    width: int, height: int, bits: int, samples: int, colors: int, packing: int, at: int, size: int
) -> dict[int, Entry]:
    return {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [bits] * samples),
        259: (3, [packing]),
        262: (3, [colors]),
        273: (4, [at]),
        277: (3, [samples]),
        278: (4, [height]),
        279: (4, [size]),
    }


def bayer(picture: Pixels) -> NDArray[np.uint16]:
    """(H, W) what a sensor with red, green, green and blue cells sees of the picture; gamma taken away."""
    linear = (65535 * (picture.astype(np.float64) / 255) ** 2.2).astype(np.uint16)
    mosaic = linear[..., 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = linear[::2, ::2, 0], linear[1::2, 1::2, 2]
    return mosaic


def jpeg(picture: Pixels) -> bytes:
    return encoded(picture, "jpeg", quality=92)

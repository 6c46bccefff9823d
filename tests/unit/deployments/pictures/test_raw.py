"""RAW files of cameras: the camera's own rendering where it is large enough, another one otherwise, upright."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deployments.extractor import Pixels
from deployments.pictures.exif import read_exif
from deployments.pictures.formats import picture_format
from deployments.pictures.images import DecodeLimits, decode
from deployments.pictures.raw import LEAST_PREVIEW
from storage.errors import ImageTooLarge, UnreadableImage, UnsupportedImage
from storage.types.pictures import Exif
from tests.unit.deployments.pictures.exif_blocks import MAKE, MODEL, ORIENTATION, ORIGINAL, block, of_a_camera, place
from tests.unit.deployments.pictures.raw_files import DNG_VERSION, dng, tiff
from tests.unit.deployments.pictures.samples import encoded, photo

PICTURE, OTHER = photo(1200, 800, 3), photo(1200, 800, 4)
QUARTER_TURNS = {1: 0, 3: 2, 6: 3, 8: 1}  # counterclockwise, as numpy turns


def likeness(pixels: Pixels, picture: Pixels) -> float:
    """1 where the two show the same, whatever their size, brightness and contrast."""
    small = [np.asarray(Image.fromarray(one).resize((60, 60), Image.Resampling.BOX)) for one in (pixels, picture)]
    return float(np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1])


@pytest.mark.parametrize("orientation", QUARTER_TURNS)
@pytest.mark.parametrize("with_preview", [True, False])
def test_a_raw_file_is_read_upright(orientation: int, with_preview: bool) -> None:
    preview = encoded(OTHER, "jpeg") if with_preview else None
    data = dng(PICTURE, preview, orientation)
    image = decode(data)
    upright = np.rot90(OTHER if with_preview else PICTURE, QUARTER_TURNS[orientation])
    assert (image.format, image.width, image.height) == ("raw", *upright.shape[1::-1])
    assert likeness(image.pixels, upright) > (0.99 if with_preview else 0.85)
    assert max(image.pixels.shape) == (900 if with_preview else 600)
    assert image.pixels.flags.c_contiguous
    assert not image.pixels.flags.writeable
    assert image.exif == read_exif(data) == Exif("2019-06-01T10:11:12", "Camera One", orientation)


def test_a_preview_that_says_which_way_it_lies_is_turned_once() -> None:
    preview = encoded(OTHER, "jpeg", exif=of_a_camera())
    image = decode(dng(PICTURE, preview[:2] + preview[20:], 6))  # as cameras write it: EXIF in the place of JFIF
    assert likeness(image.pixels, np.rot90(OTHER, -1)) > 0.99
    assert image.exif == Exif("2019-06-01T10:11:12", "Camera One", 6, (48.8581944, -2.2945))


@pytest.mark.parametrize(
    "preview", [encoded(photo(LEAST_PREVIEW - 1, 600, 4), "jpeg"), encoded(OTHER, "jpeg")[:20_000]]
)
def test_a_small_or_broken_preview_is_not_used(preview: bytes) -> None:
    assert likeness(decode(dng(PICTURE, preview)).pixels, PICTURE) > 0.85


def test_a_camera_that_sees_no_colours_is_read() -> None:
    gray = np.repeat(PICTURE[..., 1:2], 3, axis=2)
    image = decode(dng(gray, tag_262=(3, [34892]), tag_50721=(10, [1, 1, 1, 1, 1, 1])))
    assert image.pixels.shape == (400, 600, 3)
    assert likeness(image.pixels, gray) > 0.85


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    with pytest.raises(ImageTooLarge, match="1200 x 800"):
        decode(dng(PICTURE, encoded(OTHER, "jpeg")), DecodeLimits(max_pixels=959_999))


@pytest.mark.parametrize(
    "head",
    [
        b"II*\0\x10\0\0\0CR\x02\0",
        b"FUJIFILMCCD-RAW 0201",
        b"IIRO\x08\0\0\0",
        b"IIRS\x08\0\0\0",
        b"MMOR\0\0\0\x08",
        b"IIU\0\x18\0\0\0",
        b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom",
        tiff({254: (4, [1]), 262: (3, [2]), 330: (4, [-1])}, {262: (3, [32803])}),
        tiff({262: (3, [34892])}),
    ],
)
def test_raw_files_are_told_by_their_contents(head: bytes) -> None:
    assert picture_format(head) == "raw"
    with pytest.raises(UnreadableImage):
        decode(head)


@pytest.mark.parametrize(
    "data",
    [
        encoded(photo(30, 20), "tiff"),
        encoded(photo(30, 20), "tiff", compression="tiff_lzw"),
        tiff({254: (4, [1]), 262: (3, [2]), 330: (4, [-1])}, {262: (3, [2])}),
        tiff({262: (3, [2]), DNG_VERSION: (1, [1, 4, 0, 0])}),
        b"II*\0\x08\0\0\0CR\x02\0",
    ],
)
def test_other_tiffs_are_what_they_were(data: bytes) -> None:
    assert picture_format(data) == "tiff"


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.pictures.raw.reads_raw", lambda: False)
    with pytest.raises(UnsupportedImage, match="does not read RAW") as refusal:
        decode(dng(PICTURE))
    assert refusal.value.hint == "pip install 'lookalike[raw]'"


def test_exif_of_files_that_are_no_tiff_is_found() -> None:
    jpeg = encoded(photo(60, 40), "jpeg", exif=of_a_camera())
    raf = b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + struct.pack(">II", 92, len(jpeg)) + jpeg
    assert read_exif(raf) == read_exif(jpeg)
    assert read_exif(raf[:100]) == Exif()
    first = box(b"CMT1", block({MAKE: "Canon", MODEL: "Canon EOS R5", ORIENTATION: 8}))
    second = box(b"CMT2", block({ORIGINAL: "2019:06:01 10:11:12"}))
    cr3 = b"\0\0\0\x10ftypcrx \0\0\0\x01" + first + second + box(b"CMT4", block(place("N", (1,), "W", (2, 30))))
    assert read_exif(cr3) == Exif("2019-06-01T10:11:12", "Canon EOS R5", 8, (1.0, -2.5))


def box(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + name + data


SMALL: dict[str, Any] = {"picture": photo(120, 80, 3), "preview": encoded(photo(120, 80, 4), "jpeg"), "orientation": 6}


@settings(max_examples=100, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(1, 900), st.integers(0, 255)), max_size=6), share=st.floats(0.5, 1))
def test_a_damaged_file_gives_a_picture_or_our_error(changes: list[tuple[int, int]], share: float) -> None:
    data = bytearray(dng(**SMALL))
    for at, value in changes:
        data[-at] = value  # the directories stand at the end
    try:
        image = decode(bytes(data[: int(len(data) * share)]), DecodeLimits(max_pixels=1_000_000))
    except UnreadableImage:
        return
    assert max(image.pixels.shape) <= 1024

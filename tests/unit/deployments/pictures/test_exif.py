"""What is known of a picture from its EXIF, and what broken EXIF does: nothing."""

from __future__ import annotations

import io
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from deployments.pictures.exif import MOST_LETTERS, exif_of_block, read_exif
from deployments.pictures.images import DecodeLimits, decode
from deployments.pictures.prepared import prepare_picture
from storage.errors import UnreadableImage, UnsupportedImage
from storage.types.pictures import Exif
from tests.unit.deployments.pictures.exif_blocks import (
    CHANGED,
    DIGITIZED,
    MAKE,
    MODEL,
    ORIENTATION,
    ORIGINAL,
    ZONE_CHANGED,
    ZONE_DIGITIZED,
    ZONE_ORIGINAL,
    block,
    of_a_camera,
    place,
)
from tests.unit.deployments.pictures.pillow_build import each
from tests.unit.deployments.pictures.samples import encoded, photo

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"
CAMERA = Exif("2019-06-01T10:11:12+02:00", "Canon EOS 5D", 6, (48.8581944, -2.2945))
PICTURE = photo(60, 40)


@pytest.mark.parametrize("name", each("jpeg", "png", "webp", "tiff", "avif"))
def test_every_format_says_when_by_what_which_way_up_and_where(name: str) -> None:
    data = encoded(PICTURE, name, exif=of_a_camera())
    image = decode(data)
    assert image.exif == read_exif(data) == CAMERA
    assert (image.width, image.height) == (40, 60)
    assert prepare_picture(data, (), DecodeLimits()).facts.exif == CAMERA


def test_heic_says_how_the_camera_was_held() -> None:
    for name, orientation in (("photo", None), ("turned", 6)):
        data = (FIXTURES / f"{name}.heic").read_bytes()
        assert decode(data).exif.orientation == read_exif(data).orientation == orientation


@pytest.mark.parametrize("name", each("jpeg", "png", "gif", "webp", "bmp", "tiff", "avif"))
def test_a_picture_without_has_none(name: str) -> None:
    data = encoded(PICTURE, name)
    assert decode(data).exif == read_exif(data) == Exif()


def test_exif_behind_the_pixels_of_a_png_is_found() -> None:
    plain, said = encoded(PICTURE, "png"), block({MAKE: "Canon"})
    chunk = struct.pack(">I", len(said)) + b"eXIf" + said + b"\0\0\0\0"
    data = plain[:-12] + chunk + plain[-12:]
    assert read_exif(data).camera == "Canon"


def test_exif_that_a_png_has_as_text_is_found() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", "\nexif\n      99\n" + (b"Exif\0\0" + block({MAKE: "Canon"})).hex())
    assert read_exif(encoded(PICTURE, "png", pnginfo=text)).camera == "Canon"
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", "\nexif\n      99\nxx")
    assert decode(encoded(PICTURE, "png", pnginfo=text)).exif == Exif()


def test_bytes_that_are_no_picture_are_refused() -> None:
    with pytest.raises(UnsupportedImage):
        read_exif(b"no picture")
    with pytest.raises(UnreadableImage):
        read_exif(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    ("entries", "camera", "taken_at"),
    [
        ({}, {ORIGINAL: "2019:06:01 10:11:12", DIGITIZED: "2020:01:01 00:00:00"}, "2019-06-01T10:11:12"),
        ({CHANGED: "2021:01:01 00:00:00"}, {DIGITIZED: "2020:01:01 00:00:00"}, "2020-01-01T00:00:00"),
        ({CHANGED: "2021:01:01 00:00:00"}, {ZONE_CHANGED: "-03:30"}, "2021-01-01T00:00:00-03:30"),
        ({}, {DIGITIZED: "2020:01:01 00:00:00", ZONE_DIGITIZED: "Z"}, "2020-01-01T00:00:00+00:00"),
        ({CHANGED: "2021:01:01 00:00:00"}, {ORIGINAL: "0000:00:00 00:00:00"}, "2021-01-01T00:00:00"),
        ({}, {ORIGINAL: "2019:06:01 10:11:12.345"}, "2019-06-01T10:11:12"),
        ({}, {ORIGINAL: "2019-06-01T10:11:12"}, "2019-06-01T10:11:12"),
        ({}, {ORIGINAL: "2019:06:01 10:11:12", ZONE_ORIGINAL: "+99:00"}, "2019-06-01T10:11:12"),
        ({}, {ORIGINAL: "2019:06:01 10:11:12", ZONE_ORIGINAL: "   :  "}, "2019-06-01T10:11:12"),
        ({}, {ORIGINAL: "2019:13:01 10:11:12"}, None),
        ({}, {ORIGINAL: "2019:02:30 10:11:12"}, None),
        ({}, {ORIGINAL: "2019:06:01 24:00:00"}, None),
        ({}, {ORIGINAL: "    :  :     :  :  "}, None),
        ({}, {ORIGINAL: "yesterday"}, None),
        ({}, {ORIGINAL: 20190601}, None),
        ({}, {}, None),
    ],
)
def test_when_it_was_taken(entries: dict[int, Any], camera: dict[int, Any], taken_at: str | None) -> None:
    assert exif_of_block(block(entries, camera)).taken_at == taken_at


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("Apple", "iPhone 12", "Apple iPhone 12"),
        ("NIKON CORPORATION", "NIKON D70", "NIKON D70"),
        ("Canon\0\0\0", "  canon EOS 5D \0rest", "canon EOS 5D"),
        ("OLYMPUS IMAGING CORP.  ", "E-M10     ", "OLYMPUS IMAGING CORP. E-M10"),
        ("", "E-M10", "E-M10"),
        ("Sony", "", "Sony"),
        ("a\nb\x1b[31mc", "d", "a b [31mc d"),
        (" ", "\0\0", None),
        ("x" * 100_000, "y" * 100_000, "x" * MOST_LETTERS + " " + "y" * MOST_LETTERS),
    ],
)
def test_the_camera_is_named_once_and_plainly(make: str, model: str, camera: str | None) -> None:
    assert exif_of_block(block({MAKE: make, MODEL: model})).camera == camera


@pytest.mark.parametrize(
    ("written", "camera"),
    [("Größe".encode(), "Größe"), ("Größe".encode("latin-1"), "Größe"), ("a\u202eb".encode(), "a b")],
)
def test_letters_beyond_ascii_are_read(written: bytes, camera: str) -> None:
    stand_in = "x" * len(written)  # Pillow writes ASCII alone
    assert exif_of_block(block({MAKE: stand_in}).replace(stand_in.encode(), written)).camera == camera


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_is_not_told(orientation: int) -> None:
    assert exif_of_block(block({ORIENTATION: orientation})).orientation is None


@pytest.mark.parametrize(
    ("gps", "position"),
    [
        (place("S", (33, 51, 21.6), "E", (151, 12, 54)), (-33.856, 151.215)),
        (place("N", (33.5,), "w", (151, 30)), (33.5, -151.5)),
        (place("N", (91, 0, 0), "E", (1, 0, 0)), None),
        (place("N", (1, 0, 0), "E", (180, 0, 1)), None),
        (place("X", (1, 0, 0), "E", (1, 0, 0)), None),
        (place("E", (1, 0, 0), "N", (1, 0, 0)), None),
        ({2: (1.0, 0.0, 0.0), 4: (1.0, 0.0, 0.0)}, None),
        ({1: "N", 2: (1.0, 0.0, 0.0)}, None),
    ],
)
def test_where_it_was_taken(gps: dict[int, Any], position: tuple[float, float] | None) -> None:
    assert exif_of_block(block({}, {}, gps)).gps == position


def test_a_place_over_zero_is_none() -> None:
    whole = block({}, {}, place("N", (48, 51, 29.5), "E", (2, 0, 0)))
    zero = whole.replace(struct.pack(">II", 59, 2), bytes(8)) if b"MM" in whole[:2] else whole
    broken = zero.replace(struct.pack("<II", 59, 2), bytes(8))
    assert broken != whole
    assert exif_of_block(broken).gps is None
    assert exif_of_block(whole).gps == (48.8581944, 2.0)


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_and_bigtiff_are_read(order: str) -> None:
    mark = b"II" if order == "<" else b"MM"
    make = b"Camera of mine\0"
    small = mark + struct.pack(order + "HIHHHIII", 42, 8, 1, MAKE, 2, len(make), 26, 0) + make
    large = mark + struct.pack(order + "HHHQQHHQQ", 43, 8, 0, 16, 1, MAKE, 2, len(make), 44) + make
    assert exif_of_block(small).camera == exif_of_block(large).camera == "Camera of mine"


WHOLE = block({MAKE: "Canon", ORIENTATION: 6}, {ORIGINAL: "2019:06:01 10:11:12"}, place("N", (1, 2, 3), "E", (4, 5, 6)))


@settings(max_examples=400, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=12), cut=st.integers(0)
)
def test_a_changed_or_cut_block_gives_what_makes_sense_or_nothing(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(WHOLE)
    for at, value in changes:
        data[at] = value
    check(exif_of_block(bytes(data[: cut % (len(data) + 1)] if cut else data)))


@settings(max_examples=300, deadline=None)
@given(
    mark=st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0", b""]),
    rest=st.binary(max_size=300),
)
def test_any_bytes_give_what_makes_sense_or_nothing(mark: bytes, rest: bytes) -> None:
    check(exif_of_block(mark + rest))


def check(found: Exif) -> None:
    assert found.orientation in (None, *range(1, 9))
    assert found.camera is None or (found.camera.isprintable() and 0 < len(found.camera) <= 2 * MOST_LETTERS + 1)
    assert found.taken_at is None or found.taken_at.isascii()
    if found.gps is not None:
        assert -90 <= found.gps[0] <= 90
        assert -180 <= found.gps[1] <= 180


@pytest.mark.parametrize("name", each("jpeg", "png", "webp"))
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=60, deadline=None)
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_broken_block_refuses_no_picture(name: str, changes: list[tuple[float, int]]) -> None:
    broken = bytearray(WHOLE)
    for share, value in changes:
        broken[8 + int((len(broken) - 8) * share)] = value
    try:
        data = encoded(PICTURE, name, exif=b"Exif\0\0" + bytes(broken))
    except Exception:
        return  # Pillow looks into it as it writes some formats
    image = decode(data)
    assert sorted((image.width, image.height)) == [40, 60]
    check(image.exif)


def test_huge_directories_and_values_cost_little() -> None:
    """Every entry of the most that a directory can have points at all bytes of the block."""
    size = 8_000_000
    entries = b"".join(struct.pack("<HHII", 1 + i % 4, 5, size // 8, 8) for i in range(65_535))
    data = b"II*\0" + struct.pack("<I", 8) + struct.pack("<HHHII", 1, 0x8825, 4, 1, 26) + bytes(4)
    data += struct.pack("<H", 65_535) + entries
    data += bytes(size)
    began = time.perf_counter()
    assert exif_of_block(data) == Exif()
    assert time.perf_counter() - began < 0.05


def test_the_block_of_a_jpeg_costs_a_small_part_of_decoding_it() -> None:
    with_exif = io.BytesIO()
    Image.fromarray(photo(500, 375)).save(with_exif, "jpeg", exif=of_a_camera())
    whole = of_a_camera().tobytes()[6:]

    def seconds(run: Any, count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            run()
        return (time.perf_counter() - began) / count

    reading = min(seconds(lambda: exif_of_block(whole), 50) for _ in range(5))
    decoding = min(seconds(lambda: decode(with_exif.getvalue()), 5) for _ in range(5))
    assert reading < decoding / 4

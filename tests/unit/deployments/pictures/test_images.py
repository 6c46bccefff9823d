from __future__ import annotations

import io
import struct
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, features

from deployments.pictures.formats import picture_format
from deployments.pictures.images import DecodeLimits, decode
from storage.errors import ImageTooLarge, UnreadableImage, UnsupportedImage
from tests.unit.deployments.pictures.pillow_build import each, readable
from tests.unit.deployments.pictures.samples import encoded, exif_with_orientation, photo, png_that_claims

FORMATS = ("jpeg", "png", "gif", "webp", "bmp", "tiff", "avif")
LOSSLESS = ("png", "bmp", "tiff")
FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"


@pytest.mark.parametrize("name", each(*FORMATS))
def test_every_format_is_read_and_told_by_content(name: str) -> None:
    picture = photo(200, 120)
    image = decode(encoded(picture, name))
    assert (image.format, image.width, image.height) == (name, 200, 120)
    assert image.pixels.shape == (120, 200, 3)
    assert np.abs(image.pixels.astype(int) - picture).mean() < (1e-9 if name in LOSSLESS else 20)


def test_the_working_image_is_contiguous_and_read_only() -> None:
    for orientation in (1, 6):
        pixels = decode(encoded(photo(90, 60), "jpeg", exif=exif_with_orientation(orientation))).pixels
        assert pixels.dtype == np.uint8
        assert pixels.flags.c_contiguous
        assert not pixels.flags.writeable


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_that_fits_is_decoded_as_pillow_does(mode: str, subsampling: int) -> None:
    picture = Image.fromarray(photo(317, 203)).convert(mode)
    data = encoded(picture, "jpeg", quality=90, **({"subsampling": subsampling} if mode == "RGB" else {}))
    with Image.open(io.BytesIO(data)) as plain:
        np.testing.assert_array_equal(decode(data).pixels, np.asarray(plain.convert("RGB")))


@pytest.mark.parametrize(
    ("size", "working"),
    [
        ((1024, 700), (1024, 700)),
        ((1025, 700), (897, 613)),  # 7/8
        ((1600, 1004), (1000, 628)),  # 5/8
        ((3000, 2000), (750, 500)),  # 2/8
        ((9000, 100), (1024, 12)),  # 1/8, and then resized
        ((60_000, 1), (1024, 1)),
    ],
)
def test_a_large_jpeg_is_decoded_at_the_largest_eighth_that_fits(
    size: tuple[int, int], working: tuple[int, int]
) -> None:
    image = decode(encoded(Image.new("RGB", size, (200, 30, 90)), "jpeg"))
    assert (image.width, image.height) == size
    assert image.pixels.shape == (working[1], working[0], 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", each("png", "gif", "webp", "bmp", "tiff"))
def test_other_large_pictures_are_resized_to_1024(name: str) -> None:
    image = decode(encoded(photo(1100, 2500), name))
    assert (image.width, image.height) == (1100, 2500)
    assert image.pixels.shape == (1024, 451, 3)
    wanted = np.asarray(Image.fromarray(photo(1100, 2500)).resize((451, 1024), Image.Resampling.BOX)).astype(int)
    assert np.abs(image.pixels - wanted).mean() < (8 if name == "gif" else 3)


@pytest.mark.parametrize("name", each("jpeg", "png", "tiff", "webp", "avif"))
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_applied(name: str, orientation: int) -> None:
    picture = Image.fromarray(photo(160, 96))
    plain, lossless = encoded(picture, name), name in LOSSLESS
    with Image.open(io.BytesIO(plain)) as reopened:
        upright = reopened.convert("RGB")
    upright.getexif()[0x0112] = orientation
    wanted = np.asarray(ImageOps.exif_transpose(upright)).astype(int)
    image = decode(encoded(picture, name, exif=exif_with_orientation(orientation)))
    assert (image.height, image.width) == wanted.shape[:2]
    assert image.pixels.shape == wanted.shape
    assert np.abs(image.pixels - wanted).max() <= (0 if lossless else 12)


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_is_ignored(orientation: int) -> None:
    picture = photo(80, 50)
    image = decode(encoded(picture, "png", exif=exif_with_orientation(orientation)))
    np.testing.assert_array_equal(image.pixels, picture)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@pytest.mark.parametrize("junk", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0" + bytes(range(256))])
def test_a_damaged_exif_block_is_no_reason_to_refuse(junk: bytes) -> None:
    assert decode(encoded(photo(80, 50), "jpeg", exif=junk)).pixels.shape == (50, 80, 3)


@pytest.mark.parametrize("name", each("gif", "webp", "tiff"))
def test_the_first_frame_of_many_is_the_picture(name: str) -> None:
    frames = [Image.new("RGB", (64, 48), color) for color in ("red", "lime", "blue")]
    image = decode(encoded(frames[0], name, save_all=True, append_images=frames[1:]))
    assert np.abs(image.pixels.astype(int) - (255, 0, 0)).max() < 10


def test_the_first_picture_of_a_multi_picture_jpeg_is_read() -> None:
    frames = [Image.new("RGB", (64, 48), color) for color in ("red", "blue")]
    image = decode(encoded(frames[0], "mpo", save_all=True, append_images=frames[1:]))
    assert image.format == "jpeg"
    assert np.abs(image.pixels.astype(int) - (254, 0, 0)).max() < 4


@pytest.mark.parametrize("data", [b"", b"hello, this is text\n" * 50, b"%PDF-1.7 ...", bytes(500), b"\xff\xd8"])
def test_what_is_no_picture_is_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedImage) as refusal:
        decode(data)
    assert refusal.value.hint


@pytest.mark.parametrize("name", each("ppm", "ico", "tga", "jpeg2000"))
def test_formats_outside_the_list_are_unsupported(name: str) -> None:
    with pytest.raises(UnsupportedImage, match="not a picture in a format"):
        decode(encoded(photo(40, 30), name))


def test_heic_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(UnsupportedImage, match="install the package pi_heif"):
        decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))


def test_a_format_that_this_pillow_was_built_without_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda _name: False)
    with pytest.raises(UnsupportedImage, match="this build of Pillow cannot read AVIF"):
        decode(b"\0\0\0\x20ftypavif\0\0\0\0mif1avif" + bytes(100))


def test_pixels_that_need_a_library_this_pillow_was_built_without_are_not_called_damaged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = encoded(photo(40, 30), "tiff")
    lab = encoded(Image.new("LAB", (40, 30)), "tiff")
    lzw = plain.replace(tiff_compression(1), tiff_compression(5))
    monkeypatch.setattr(features, "check", lambda _name: False)
    for data, what in ((lzw, "compressed TIFF"), (lab, "Lab colours")):
        with pytest.raises(UnsupportedImage, match=f"this build of Pillow cannot read {what}") as refusal:
            decode(data)
        assert "wheel" in refusal.value.hint
    assert decode(plain).format == "tiff"


def tiff_compression(method: int) -> bytes:
    """The directory entry of a TIFF that says how its pixels are packed."""
    return struct.pack("<HHIHH", 259, 3, 1, method, 0)


@pytest.mark.parametrize("name", ["photo", "turned"])
def test_heic_is_read_as_it_is_meant_to_be_seen(name: str) -> None:
    image = decode((FIXTURES / f"{name}.heic").read_bytes())
    assert (image.format, image.width, image.height) == ("heic", 200, 120)
    assert np.abs(image.pixels.astype(int) - photo(200, 120)).mean() < 20


def test_avif_is_told_from_heic_by_its_brands() -> None:
    assert picture_format(b"\0\0\0\x20ftypmif1\0\0\0\0mif1avif") == "avif"
    assert picture_format(b"\0\0\0\x20ftypmif1\0\0\0\0mif1heic") == "heic"


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = png_that_claims(60_000, 60_000)
    tracemalloc.start()
    try:
        with pytest.raises(ImageTooLarge, match=r"60000 x 60000 = 3600000000 pixels.*limits\.max_pixels"):
            decode(bomb)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_the_limit_itself_is_allowed() -> None:
    data = encoded(photo(100, 80), "png")
    assert decode(data, DecodeLimits(max_pixels=8000)).width == 100
    with pytest.raises(ImageTooLarge):
        decode(data, DecodeLimits(max_pixels=7999))


def test_our_limit_rules_not_the_one_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert decode(encoded(photo(100, 80), "png")).width == 100
    assert Image.MAX_IMAGE_PIXELS == 1000


@pytest.mark.slow
def test_a_file_gives_the_same_pixels_in_every_thread() -> None:
    files = [encoded(photo(700 + 100 * i, 500), name) for i, name in enumerate(readable(*FORMATS))]
    once = [decode(data).pixels for data in files]
    with ThreadPoolExecutor(4) as pool:
        for pixels, image in zip(once * 3, pool.map(decode, files * 3), strict=True):
            np.testing.assert_array_equal(image.pixels, pixels)


def test_importing_it_loads_no_format_but_jpeg() -> None:
    probe = "import sys, deployments.pictures.images; print([m for m in sys.modules if m == 'pi_heif' or 'Avif' in m])"
    root = Path(__file__).resolve().parents[4]
    done = subprocess.run([sys.executable, "-c", probe], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_each_broken_photo_is_refused_with_a_reason(shared_dir: Path) -> None:
    paths = sorted((shared_dir / "photos/broken").iterdir())
    assert len(paths) == 10
    for path in paths:
        with pytest.raises(UnreadableImage) as refusal:
            decode(path.read_bytes())
        assert refusal.value.message
        assert refusal.value.hint


@pytest.mark.slow
@pytest.mark.parametrize("suffix", each("jpg", "png", "webp"))
def test_every_other_photo_is_read(shared_dir: Path, suffix: str) -> None:
    paths = [path for path in (shared_dir / "photos").rglob(f"*.{suffix}") if path.parent.name != "broken"]
    assert len(paths) > (600 if suffix == "jpg" else 4)
    for path in paths:
        assert max(decode(path.read_bytes()).pixels.shape) <= 1024, path

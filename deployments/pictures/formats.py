"""The formats that are read here: told by a file's bytes, opened by Pillow's plug-ins without decoding pixels.

Formats are told by content, never by name, and only those of `FORMATS` are tried. Pillow's plug-ins are called
directly instead of through ``Image.open``: its bomb check reads a process-wide setting, ours is `DecodeLimits`, and
it comes before any pixel is decoded.
"""

from __future__ import annotations

from importlib import import_module
from io import BytesIO

from PIL import Image, ImageFile, features

from deployments.pictures.tiff_entries import TiffBlock
from storage.errors import ImageTooLarge, UnreadableImage, UnsupportedImage

FORMATS = {
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "heic": ("pi_heif", "HeifImageFile"),
}
BUILD_OPTIONS = ("webp", "avif")  # formats that a Pillow built from source may lack
COMPLETE_BUILD = "install Pillow from its wheel (make setup SIMD=0)"
MAGIC = {  # what a file begins with; WebP, AVIF and HEIC have theirs farther in
    "raw": (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"II*\0\x10\0\0\0CR\x02\0"),
    "jpeg": (b"\xff\xd8\xff",),
    "png": (b"\x89PNG\r\n\x1a\n",),
    "gif": (b"GIF87a", b"GIF89a"),
    "bmp": (b"BM",),
    "tiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}
HEAD_BYTES = 32  # of a file, which tell its format
READ_FORMATS = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIC, and RAW of cameras with the extra raw"
DAMAGED = "the file is damaged or cut short: restore it from where it came from, or save it again as JPEG or PNG"
COLORS, SUB_DIRECTORIES = 0x0106, 0x014A  # what a TIFF's numbers mean, and where directories below the first one lie
OF_A_SENSOR = (32803, 34892)  # cells behind coloured filters, and what was made of them without a rendering
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


def picture_format(data: bytes) -> str:
    """A key of `FORMATS`, or ``raw``: which format the bytes are. The first 32 tell it of all but those RAW files that
    are built like a TIFF. Raises `UnsupportedImage` for none of them.
    """
    head = bytes(data[:HEAD_BYTES])
    if not head:
        raise UnsupportedImage("the file is empty", "send the bytes of a picture")
    for name, magics in MAGIC.items():
        if head.startswith(magics):
            return "raw" if name == "tiff" and _is_of_a_sensor(data) else name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        brands = {head[8:12], *(head[i : i + 4] for i in range(16, len(head), 4))}
        if b"crx " in brands:
            return "raw"
        if brands & {b"avif", b"avis"}:
            return "avif"
        if brands.intersection(HEIF_BRANDS):
            return "heic"
    raise UnsupportedImage("the file is not a picture in a format that is read here", f"formats: {READ_FORMATS}")


def _is_of_a_sensor(data: bytes) -> bool:
    """Whether a TIFF is a RAW file: DNG, NEF, ARW, PEF and others, which no reader of TIFF can show."""
    block = TiffBlock.of(data)
    if block is None:
        return False
    first = block.first_directory({COLORS, SUB_DIRECTORIES})
    below = [block.directory(start, {COLORS}) for start in block.numbers(first.get(SUB_DIRECTORIES))]
    return any(number in OF_A_SENSOR for one in (first, *below) for number in block.numbers(one.get(COLORS)))


def open_picture(name: str, data: bytes) -> ImageFile.ImageFile:
    module, plugin = FORMATS[name]
    if name in BUILD_OPTIONS and not features.check(name):
        raise UnsupportedImage(f"this build of Pillow cannot read {name.upper()}", COMPLETE_BUILD)
    try:
        opener = getattr(import_module(module), plugin)
    except ImportError as error:
        message = f"this installation cannot read {name.upper()}"
        raise UnsupportedImage(message, f"install the package {module}") from error
    try:
        picture: ImageFile.ImageFile = opener(BytesIO(data))
    except Image.DecompressionBombError as error:  # a GIF whose first frame outgrows its screen
        raise ImageTooLarge(f"the picture has too many pixels: {error}", "send a smaller version of it") from error
    except Exception as error:  # as in decode
        raise UnreadableImage(f"the {name.upper()} header cannot be read: {error}", DAMAGED) from error
    _check_build(name, picture)
    return picture


def _check_build(name: str, picture: ImageFile.ImageFile) -> None:
    """Without these libraries Pillow opens the picture but fails as it loads the pixels, as on a damaged file."""
    packed = name == "tiff" and picture.info.get("compression") != "raw"
    for needed, library, pixels in (
        (packed, "libtiff", "compressed TIFF"),
        (picture.mode == "LAB", "littlecms2", "Lab colours"),
    ):
        if needed and not features.check(library):
            raise UnsupportedImage(f"this build of Pillow cannot read {pixels}", COMPLETE_BUILD)

"""Pictures with known words: rendered in several fonts, sizes, colours and angles, on plain grounds and over
photographs, and a photographed page. The same for the same number, on every machine with the same fonts.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.photo_sets import source_files, upright
from deployments.extractor import Pixels

SIZE = (1024, 768)  # (width, height) of a made picture in pixels
WORDS_EACH = 14
LINE_PITCH = 1.9  # font sizes from one line to the next
PHOTO_STROKE = 0.06  # of a font size: the outline of letters over photographs, on every second one
DARK, BRIGHT = 70, 185  # of 255: letters are darker or brighter than this, and their ground the opposite

FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSerif-Italic", "DejaVuSansMono", "STIXGeneral")
CHINESE_FONT = Path("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc")  # Debian's fonts-wqy-microhei

WORD_LISTS = Path(__file__).parent / "word_lists"


@dataclass(frozen=True, slots=True, eq=False)
class RenderedPicture:
    """words: as they are written. boxes: (W, 4, 2) float64, corners of each in pixels, clockwise from its top left;
    None where they are not known. pixels: (H, W, 3).
    """

    group: str
    words: tuple[str, ...]
    boxes: NDArray[np.float64] | None
    pixels: Pixels


@dataclass(frozen=True, slots=True)
class Group:
    """words: the name of a list in `WORD_LISTS`. font_sizes: pixels. most_angle: degrees to either side."""

    name: str
    count: int
    words: str
    font_sizes: tuple[int, ...] = (20, 26, 34, 44)
    most_angle: float = 0.0
    over_photos: bool = False
    fonts: Sequence[str] = FONTS


GROUPS = (
    Group("clean", 24, "english"),
    Group("rotated", 24, "english", most_angle=10.0),
    Group("over photos", 24, "english", most_angle=10.0, over_photos=True),
    Group("small, 14 px", 8, "english", (14,)),
    Group("small, 11 px", 8, "english", (11,)),
    Group("small, 9 px", 8, "english", (9,)),
    Group("accented", 12, "accented"),
    Group("Greek capitals", 6, "greek"),
    Group("Russian", 16, "russian", most_angle=10.0),
    Group("Russian over photos", 8, "russian", most_angle=10.0, over_photos=True),
)
CHINESE_GROUP = Group("Chinese", 6, "chinese", (26, 34, 44), fonts=(str(CHINESE_FONT),))


def rendered(group: Group) -> Iterator[RenderedPicture]:
    for number in range(group.count):
        yield _picture(group, number)


def photographed_page() -> RenderedPicture:
    pixels = np.asarray(Image.open(_package_folder("skimage") / "data" / "page.png").convert("RGB"))
    return RenderedPicture("photographed page", tuple(word_list("page")), None, pixels)


def photographs(count: int) -> list[Pixels]:
    """(H, W, 3), long side at most 1024: without words, but for what a photograph has by chance."""
    return [_photograph(number, (1024, 768)) for number in range(count)]


def _picture(group: Group, number: int) -> RenderedPicture:
    dice = random.Random(f"{group.name} {number}")
    size = group.font_sizes[number % len(group.font_sizes)]
    font = font_of(group.fonts[number % len(group.fonts)], size)
    dark_letters = dice.random() < 0.5
    ink, ground = (_color(dice, dark=dark_letters), _color(dice, dark=not dark_letters))
    known = word_list(group.words)
    words = dice.sample(known, min(WORDS_EACH, len(known)))
    stroke = round(size * PHOTO_STROKE) if group.over_photos and number % 2 else 0
    layer = Image.new("RGBA", SIZE, (*ink, 0))
    placed = list(_placed(words, font, size))
    draw = ImageDraw.Draw(layer)
    for word, (left, top, _, _) in placed:
        draw.text((left, top), word, (*ink, 255), font, anchor="la", stroke_width=stroke, stroke_fill=(*ground, 255))
    angle = dice.uniform(-group.most_angle, group.most_angle)
    layer = layer.rotate(angle, Image.Resampling.BICUBIC)
    picture = Image.new("RGB", SIZE, ground)
    if group.over_photos:
        picture = Image.fromarray(_photograph(number, SIZE))
    picture.paste(layer, (0, 0), layer)
    boxes = np.array([_turned(box, angle) for _, box in placed])
    return RenderedPicture(group.name, tuple(word for word, _ in placed), boxes, np.asarray(picture))


Box = tuple[float, float, float, float]  # left, top, right, bottom


def _placed(words: Sequence[str], font: ImageFont.FreeTypeFont, size: int) -> Iterator[tuple[str, Box]]:
    """In lines around the middle, far enough from the edge to be turned; those that do not fit are left out."""
    left = x = SIZE[0] * 0.14
    y = SIZE[1] * 0.2
    for word in words:
        width = font.getlength(word)
        if x + width > SIZE[0] - left:
            x, y = left, y + size * LINE_PITCH
        if y + size > SIZE[1] * 0.85:
            return
        yield word, (x, y, x + width, y + size * 1.2)
        x += width + font.getlength(" ") * 1.3


def _turned(box: Box, angle: float) -> NDArray[np.float64]:
    left, top, right, bottom = box
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    middle, turn = np.array(SIZE) / 2, np.deg2rad(-angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved: NDArray[np.float64] = (corners - middle) @ matrix.T + middle
    return moved


def _color(dice: random.Random, *, dark: bool) -> tuple[int, int, int]:
    lowest, highest = (0, DARK) if dark else (BRIGHT, 255)
    return (dice.randint(lowest, highest), dice.randint(lowest, highest), dice.randint(lowest, highest))


def font_of(name: str, size: int) -> ImageFont.FreeTypeFont:
    file = name if name.startswith("/") else str(_package_folder("matplotlib") / f"mpl-data/fonts/ttf/{name}.ttf")
    return ImageFont.truetype(file, size)


def _photograph(number: int, size: tuple[int, int]) -> Pixels:
    files = [path for path in source_files() if "skimage" in path.parts or "sklearn" in path.parts]
    return np.asarray(_opened(files[number % len(files)]).resize(size, Image.Resampling.LANCZOS))


@cache
def word_list(name: str) -> list[str]:
    return (WORD_LISTS / f"{name}.txt").read_text(encoding="utf-8").split()


@cache
def _opened(path: Path) -> Image.Image:
    return upright(path)


def _package_folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed: make setup")
    return Path(spec.origin).parent

"""More edits, beside those of `graph.jobs.evaluating.edits`: what people, phones and social networks make of a
picture.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from graph.jobs.evaluating.edits import (
    IDENTITY,
    Copy,
    Edit,
    Homography,
    cropped,
    gray,
    mirrored,
    moved,
    overlaid,
    pasted_into,
    recompressed,
    rotated,
    scaled,
)

Size = tuple[int, int]  # (width, height) in pixels


def one_after_the_other(*edits: Edit) -> Edit:
    """The file is that of the last edit."""

    def edit(picture: Image.Image, dice: random.Random) -> Copy:
        copy = Copy(picture, IDENTITY)
        for each in edits:
            made = each(copy.picture, dice)
            copy = Copy(made.picture, made.homography @ copy.homography, made.quality, made.format)
        return copy

    return edit


def saved_as(file_format: str) -> Edit:
    return lambda picture, dice: Copy(picture, IDENTITY, 80, file_format)


def _shrunk(picture: Image.Image, size: Size) -> tuple[Image.Image, Homography]:
    return picture.resize(size, Image.Resampling.LANCZOS), scaled(size[0] / picture.width, size[1] / picture.height)


def _fitting(picture: Image.Image, room: Size) -> Size:
    """The largest size with the proportions of the picture that the room holds."""
    scale = min(room[0] / picture.width, room[1] / picture.height)
    return max(1, round(picture.width * scale)), max(1, round(picture.height * scale))


def resized(scale: float) -> Edit:
    def resize(picture: Image.Image, dice: random.Random) -> Copy:
        return Copy(*_shrunk(picture, (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))))

    return resize


def upscaled_thumbnail(picture: Image.Image, dice: random.Random) -> Copy:
    """Through a long side of 160 pixels, and back to its size."""
    small, _ = _shrunk(picture, _fitting(picture, (160, 160)))
    return Copy(small.resize(picture.size, Image.Resampling.BICUBIC), IDENTITY)


def blurred_strongly(picture: Image.Image, dice: random.Random) -> Copy:
    """6 pixels at a long side of 1024."""
    return Copy(picture.filter(ImageFilter.GaussianBlur(6 * max(picture.size) / 1024)), IDENTITY)


def sharpened(picture: Image.Image, dice: random.Random) -> Copy:
    mask = ImageFilter.UnsharpMask(radius=2 * max(picture.size) / 1024, percent=180, threshold=2)
    return Copy(picture.filter(mask), IDENTITY)


def noisy(picture: Image.Image, dice: random.Random) -> Copy:
    noise = np.random.default_rng(dice.getrandbits(32)).normal(0, dice.uniform(10, 22), np.asarray(picture).shape)
    return Copy(Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)), IDENTITY)


def with_channels(strengths: Callable[[random.Random], Sequence[float]]) -> Edit:
    """Red, green and blue, each times its strength."""

    def change(picture: Image.Image, dice: random.Random) -> Copy:
        pixels = np.asarray(picture) * np.array(strengths(dice))
        return Copy(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), IDENTITY)

    return change


def _daylight(dice: random.Random) -> Sequence[float]:
    warmth = dice.choice([-1, 1]) * dice.uniform(0.12, 0.25)
    return 1 + warmth, 1, 1 - warmth


def tinted(picture: Image.Image, dice: random.Random) -> Copy:
    veil = Image.new("RGB", picture.size, dice.choice(["#e03030", "#30a050", "#3050d0", "#c060c0", "#e0a020"]))
    return Copy(Image.blend(picture, veil, dice.uniform(0.15, 0.3)), IDENTITY)


def sepia(picture: Image.Image, dice: random.Random) -> Copy:
    return Copy(ImageOps.colorize(picture.convert("L"), "#1a0f05", "#fff2d8", "#a67c52"), IDENTITY)


def with_gamma(picture: Image.Image, dice: random.Random) -> Copy:
    gamma = dice.choice([0.55, 0.7, 1.4, 1.8])
    return Copy(picture.point([round(255 * (value / 255) ** gamma) for value in range(256)] * 3), IDENTITY)


def inverted(picture: Image.Image, dice: random.Random) -> Copy:
    return Copy(ImageOps.invert(picture), IDENTITY)


def saturated(picture: Image.Image, dice: random.Random) -> Copy:
    return Copy(ImageEnhance.Color(picture).enhance(dice.uniform(1.7, 2.5)), IDENTITY)


def with_sticker(picture: Image.Image, dice: random.Random) -> Copy:
    """A round yellow face over 5 to 15 % of the picture, all of it inside."""
    copy = picture.copy()
    radius = min(math.sqrt(dice.uniform(0.05, 0.15) * copy.width * copy.height / math.pi), 0.49 * min(copy.size))
    x, y = dice.uniform(radius, copy.width - radius), dice.uniform(radius, copy.height - radius)
    draw = ImageDraw.Draw(copy)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill="#ffcc33", outline="#b07c10", width=3)
    for side in (-0.38, 0.38):
        eye = (x + (side - 0.12) * radius, y - 0.4 * radius, x + (side + 0.12) * radius, y - 0.05 * radius)
        draw.ellipse(eye, fill="#402c08")
    mouth = (x - 0.55 * radius, y - 0.45 * radius, x + 0.55 * radius, y + 0.6 * radius)
    draw.arc(mouth, 20, 160, fill="#402c08", width=max(2, round(radius / 12)))
    return Copy(copy, IDENTITY)


def watermarked(picture: Image.Image, dice: random.Random) -> Copy:
    """A small pale line in a corner."""
    copy = picture.copy()
    place, anchor = dice.choice([((0.98, 0.97), "rs"), ((0.02, 0.97), "ls"), ((0.98, 0.05), "rs")])
    ImageDraw.Draw(copy, "RGBA").text(
        (copy.width * place[0], copy.height * place[1]), "(c) studio-example.com", fill=(255, 255, 255, 190),
        font_size=max(8, min(copy.size) / 24), anchor=anchor, stroke_width=1, stroke_fill=(0, 0, 0, 120),
    )  # fmt: skip
    return Copy(copy, IDENTITY)


def as_meme(picture: Image.Image, dice: random.Random) -> Copy:
    """White bars above and below with large text."""
    bar = round(picture.height * dice.uniform(0.12, 0.2))
    meme = Image.new("RGB", (picture.width, picture.height + 2 * bar), "white")
    meme.paste(picture, (0, bar))
    draw = ImageDraw.Draw(meme)
    for line, middle in (("WHEN THE MONDAY", bar / 2), ("IS OVER AT LAST", meme.height - bar / 2)):
        size = min(bar * 0.6, picture.width / 11)
        draw.text((meme.width / 2, middle), line, fill="black", font_size=size, anchor="mm")
    return Copy(meme, moved(0, bar))


def framed(picture: Image.Image, dice: random.Random) -> Copy:
    """A mount and a wooden frame with a lit edge."""
    mount, frame = (round(min(picture.size) * dice.uniform(*shares)) for shares in ((0.04, 0.09), (0.05, 0.08)))
    whole = ImageOps.expand(ImageOps.expand(picture, mount, fill="#f4f0e6"), frame, fill="#5a3a1c")
    ImageDraw.Draw(whole).rectangle((2, 2, whole.width - 3, whole.height - 3), outline="#a87944", width=4)
    return Copy(whole, moved(mount + frame, mount + frame))


def screenshot_of(picture: Image.Image, dice: random.Random) -> Copy:
    """A phone that shows it in a social network."""
    screen = Image.new("RGB", (720, 1440), dice.choice(["#ffffff", "#15171c"]))
    ink = "#222222" if screen.getpixel((0, 0)) == (255, 255, 255) else "#e8e8e8"
    small, scale = _shrunk(picture, _fitting(picture, (720, 960)))
    left, top = (720 - small.width) // 2, 190
    screen.paste(small, (left, top))
    draw = ImageDraw.Draw(screen)
    draw.text((30, 14), f"{dice.randint(0, 23):02}:{dice.randint(0, 59):02}", fill=ink, font_size=26)
    draw.text((690, 14), f"{dice.randint(5, 100)} %", fill=ink, font_size=26, anchor="ra")
    draw.ellipse((30, 90, 100, 160), fill=dice.choice(["#c0504d", "#4f81bd", "#9bbb59"]))
    draw.text((120, 108), dice.choice(["anna.travels", "photo_club", "old.town.daily"]), fill=ink, font_size=30)
    below = top + small.height + 24
    for button in range(3):
        draw.ellipse((30 + 80 * button, below, 74 + 80 * button, below + 44), outline=ink, width=4)
    draw.text((30, below + 66), f"{dice.randint(3, 900)} likes", fill=ink, font_size=28)
    draw.rectangle((0, 1356, 720, 1440), fill="#888c92")
    return Copy(screen, moved(left, top) @ scale)


def photographed_screen(picture: Image.Image, dice: random.Random) -> Copy:
    """From a little aside: a trapezoid on dark ground, with the screen's bezel around it."""
    bezel = round(min(picture.size) * 0.03)
    screen = ImageOps.expand(picture, bezel, fill="#0b0b0d")
    width, height = screen.size
    out = (round(width * 1.2), round(height * 1.2))
    corners = [(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)]
    bends = [(dice.uniform(0.02, 0.11) * width, dice.uniform(0.02, 0.11) * height) for _ in corners]
    seen = [
        (0.08 * width + x + (bend[0] if x == 0 else -bend[0]), 0.08 * height + y + (bend[1] if y == 0 else -bend[1]))
        for (x, y), bend in zip(corners, bends, strict=True)
    ]
    lies = homography_of(corners, seen)
    ground = Image.new("RGB", out, dice.choice(["#3b3631", "#5d6165", "#2a2d38"]))
    inside = _warped(Image.new("L", screen.size, 255), lies, out)
    ground.paste(ImageEnhance.Contrast(_warped(screen, lies, out)).enhance(0.88), (0, 0), inside)
    return Copy(ground, lies @ moved(bezel, bezel))


def homography_of(before: Sequence[tuple[float, float]], after: Sequence[tuple[float, float]]) -> Homography:
    """That takes four points to four others."""
    rows, wanted = [], []
    for (x, y), (u, v) in zip(before, after, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        wanted += [u, v]
    solved = np.linalg.solve(np.array(rows, dtype=np.float64), np.array(wanted, dtype=np.float64))
    return np.append(solved, 1.0).reshape(3, 3)


def _warped(picture: Image.Image, lies: Homography, size: Size) -> Image.Image:
    """Pillow counts from the corners of pixels, and asks where each pixel comes from."""
    back = moved(0.5, 0.5) @ np.linalg.inv(lies) @ moved(-0.5, -0.5)
    data = tuple((back / back[2, 2]).ravel()[:8])
    return picture.transform(size, Image.Transform.PERSPECTIVE, data, Image.Resampling.BICUBIC)


def collage(others: Sequence[Image.Image], pieces: int) -> Edit:
    """Two side by side, or four in a square, the picture in one of the fields, whole."""

    def compose(picture: Image.Image, dice: random.Random) -> Copy:
        field, gap = (560, 560), 12
        sheet = Image.new("RGB", (2 * field[0] + 3 * gap, (pieces // 2) * (field[1] + gap) + gap), "white")
        place, lies = dice.randrange(pieces), IDENTITY
        for number, piece in enumerate([picture, *dice.sample(others, k=pieces - 1)]):
            at = (place + number) % pieces
            small, scale = _shrunk(piece, _fitting(piece, field))
            left = gap + at % 2 * (field[0] + gap) + (field[0] - small.width) // 2
            top = gap + at // 2 * (field[1] + gap) + (field[1] - small.height) // 2
            sheet.paste(small, (left, top))
            if number == 0:
                lies = moved(left, top) @ scale
        return Copy(sheet, lies)

    return compose


def overlapping_crops(picture: Image.Image, dice: random.Random) -> tuple[Copy, Image.Image]:
    """A query and what is stored: two crops of one picture, each with a part that the other lacks. The homography is
    from pixels of the stored one.
    """
    width, height = (max(2, round(side * 0.65)) for side in picture.size)
    right, below = picture.width - width, picture.height - height
    first = (dice.randint(0, right // 4), dice.randint(0, below // 4))
    second = (right - dice.randint(0, right // 4), below - dice.randint(0, below // 4))
    if dice.random() < 0.5:
        first, second = (first[0], second[1]), (second[0], first[1])
    query, stored = (picture.crop((x, y, x + width, y + height)) for x, y in (first, second))
    return Copy(query, moved(second[0] - first[0], second[1] - first[1])), stored


MORE_EDITS: Mapping[str, Edit] = {
    "jpeg 40": recompressed(40),
    "jpeg 70": recompressed(70),
    "jpeg 90": recompressed(90),
    "png": saved_as("PNG"),
    "webp": saved_as("WEBP"),
    "resize 50 %": resized(0.5),
    "resize 300 %": resized(3.0),
    "upscaled thumbnail": upscaled_thumbnail,
    "rotate 270": rotated(270),
    "mirror + jpeg 40": one_after_the_other(mirrored, recompressed(40)),
    "color tint": tinted,
    "sepia": sepia,
    "invert": inverted,
    "saturation": saturated,
    "gamma": with_gamma,
    "white balance": with_channels(_daylight),
    "noise": noisy,
    "sharpen": sharpened,
    "blur strong": blurred_strongly,
    "sticker": with_sticker,
    "watermark": watermarked,
    "meme": as_meme,
    "frame": framed,
    "screenshot": screenshot_of,
    "photo of a screen": photographed_screen,
    "rotate 15": rotated(15),
    "rotate 45": rotated(45),
    "crop 95 %": cropped(0.95),
    "crop 50 % + gray": one_after_the_other(cropped(0.5), gray),
    "crop 50 % + text": one_after_the_other(cropped(0.5), overlaid),
}
WITH_OTHERS = ("pasted into", "collage of 2", "collage of 4")


def edits_with(others: list[Image.Image]) -> Mapping[str, Edit]:
    """`WITH_OTHERS`: the edits that need other pictures beside the one edited, at least three."""
    return dict(zip(WITH_OTHERS, (pasted_into(others), collage(others, 2), collage(others, 4)), strict=True))

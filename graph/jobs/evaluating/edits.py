"""The edits that pictures go through between their original and somebody's copy, seeded, each with the homography that
it is: from pixels of the original to pixels of the copy.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

Homography = NDArray[np.float64]  # (3, 3)
IDENTITY: Homography = np.eye(3)


@dataclass(frozen=True, slots=True, eq=False)
class Copy:
    """An edited picture. homography: pixels of the original to pixels of the copy; (0, 0) the middle of the first.
    quality, format: of the file, as Pillow has them.
    """

    picture: Image.Image
    homography: Homography
    quality: int = 90
    format: str = "JPEG"

    def jpeg(self) -> bytes:
        buffer = io.BytesIO()
        self.picture.save(buffer, "JPEG", quality=self.quality)
        return buffer.getvalue()

    def encoded(self) -> bytes:
        buffer = io.BytesIO()
        self.picture.save(buffer, self.format, quality=self.quality)
        return buffer.getvalue()


Edit = Callable[[Image.Image, random.Random], Copy]


def scaled(sx: float, sy: float) -> Homography:
    """Pixels have their middles at whole numbers."""
    return np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1.0]])


def moved(x: float, y: float) -> Homography:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def recompressed(quality: int) -> Edit:
    return lambda picture, dice: Copy(picture, IDENTITY, quality)


def gray(picture: Image.Image, dice: random.Random) -> Copy:
    return Copy(picture.convert("L").convert("RGB"), IDENTITY)


def brighter(picture: Image.Image, dice: random.Random) -> Copy:
    brightness, contrast = dice.choice([(1.35, 0.75), (0.65, 1.35), (1.25, 1.3)])
    return Copy(ImageEnhance.Contrast(ImageEnhance.Brightness(picture).enhance(brightness)).enhance(contrast), IDENTITY)


def overlaid(picture: Image.Image, dice: random.Random) -> Copy:
    """Two lines of text over a bar, and a watermark."""
    copy = picture.copy()
    draw = ImageDraw.Draw(copy, "RGBA")
    width, height = copy.size
    top = dice.uniform(0.1, 0.75) * height
    draw.rectangle((0, top, width, top + height * 0.15), fill=(0, 0, 0, 160))
    for line, text in enumerate(("LIMITED OFFER - only today", "visit www.example.com")):
        draw.text(
            (width * 0.05, top + height * (0.01 + 0.07 * line)), text, fill=(255, 255, 255), font_size=height / 16
        )
    draw.text((width * 0.3, height * 0.5), "SAMPLE", fill=(255, 255, 255, 120), font_size=height / 6)
    return Copy(copy, IDENTITY)


def bordered(picture: Image.Image, dice: random.Random) -> Copy:
    border = round(min(picture.size) * dice.uniform(0.05, 0.12))
    return Copy(ImageOps.expand(picture, border, fill=dice.choice(["white", "black", "red"])), moved(border, border))


def blurry(picture: Image.Image, dice: random.Random) -> Copy:
    """As strong for the eye whatever the size: 2 pixels at a long side of 1024."""
    return Copy(picture.filter(ImageFilter.GaussianBlur(2 * max(picture.size) / 1024)), IDENTITY)


def thumbnail(picture: Image.Image, dice: random.Random) -> Copy:
    scale = 200 / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    small = picture.resize(size, Image.Resampling.LANCZOS)
    return Copy(small, scaled(size[0] / picture.width, size[1] / picture.height))


def rotated(degrees: float) -> Edit:
    """Counter-clockwise, the whole picture kept."""

    def rotate(picture: Image.Image, dice: random.Random) -> Copy:
        turned = picture.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
        angle = math.radians(degrees)
        turn = np.array([[math.cos(angle), math.sin(angle), 0], [-math.sin(angle), math.cos(angle), 0], [0, 0, 1.0]])
        center, new_center = [((side[0] - 1) / 2, (side[1] - 1) / 2) for side in (picture.size, turned.size)]
        return Copy(turned, moved(*new_center) @ turn @ moved(-center[0], -center[1]))

    return rotate


def cropped(area: float, quality: int = 90) -> Edit:
    """A part of the picture with its proportions, anywhere in it. area: of the whole."""

    def crop(picture: Image.Image, dice: random.Random) -> Copy:
        width, height = (max(1, round(side * math.sqrt(area))) for side in picture.size)
        left, top = dice.randint(0, picture.width - width), dice.randint(0, picture.height - height)
        return Copy(picture.crop((left, top, left + width, top + height)), moved(-left, -top), quality)

    return crop


def mirrored(picture: Image.Image, dice: random.Random) -> Copy:
    flip = np.array([[-1, 0, picture.width - 1], [0, 1, 0], [0, 0, 1.0]])
    return Copy(ImageOps.mirror(picture), flip)


def cropped_and_mirrored(picture: Image.Image, dice: random.Random) -> Copy:
    part = cropped(0.5)(picture, dice)
    whole = mirrored(part.picture, dice)
    return Copy(whole.picture, whole.homography @ part.homography)


def pasted_into(scenes: list[Image.Image]) -> Edit:
    """At half the size of the scene, somewhere in it."""

    def paste(picture: Image.Image, dice: random.Random) -> Copy:
        scene = dice.choice(scenes).copy()
        scale = 0.5 * min(scene.width / picture.width, scene.height / picture.height)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        left, top = dice.randint(0, scene.width - size[0]), dice.randint(0, scene.height - size[1])
        scene.paste(picture.resize(size, Image.Resampling.LANCZOS), (left, top))
        return Copy(scene, moved(left, top) @ scaled(size[0] / picture.width, size[1] / picture.height))

    return paste


EDITS: Mapping[str, Edit] = {
    "jpeg 15": recompressed(15),
    "gray": gray,
    "brightness + contrast": brighter,
    "overlay text": overlaid,
    "border": bordered,
    "blur": blurry,
    "thumbnail 200 px": thumbnail,
    "rotate 5": rotated(5),
    "rotate 90": rotated(90),
    "rotate 180": rotated(180),
    "crop 80 %": cropped(0.80),
    "crop 50 %": cropped(0.50),
    "crop 25 %": cropped(0.25),
    "crop 10 %": cropped(0.10),
    "crop 50 % + jpeg 20": cropped(0.50, quality=20),
    "mirror": mirrored,
    "crop 50 % + mirror": cropped_and_mirrored,
}


def key_of(edit: str) -> str:
    """The name as it stands in reports: "jpeg 15" -> "jpeg15", "crop 50 % + jpeg 20" -> "crop50+jpeg20"."""
    return edit.replace(" ", "").replace("%", "")


def edited(picture: Image.Image, edit: str, seed: int, image_id: str) -> Copy:
    """The same one each time for the same seed and id."""
    return EDITS[edit](picture, random.Random(f"{seed} {image_id} {edit}"))

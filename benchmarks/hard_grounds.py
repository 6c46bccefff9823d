"""Made-up pictures with little in them: blank and nearly blank paper, black frames, skies. Each maker takes the dice of
a family and gives what draws one picture of that family.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.rendered_words import font_of, word_list

Drawing = Callable[[random.Random], Image.Image]
Maker = Callable[[random.Random], Drawing]
Light = NDArray[np.float64]  # (H, W), of 255
PAPER_SIZES = ((850, 1100), (744, 1052), (1000, 1414), (1240, 1600))
FRAME_SIZES = ((1280, 720), (1024, 576), (960, 540), (1280, 960))
PHOTO_SIZES = ((1200, 800), (1024, 768), (1440, 960), (768, 1024))


def smooth_noise(size: tuple[int, int], cells: int, dice: random.Random) -> Light:
    """(H, W), from -1 to 1: random heights of about ``cells`` by ``cells`` points, with smooth slopes between them."""
    heights = np.random.default_rng(dice.getrandbits(32)).uniform(-1, 1, (cells + 1, cells + 1)).astype(np.float32)
    return np.asarray(Image.fromarray(heights).resize(size, Image.Resampling.BICUBIC), dtype=np.float64)


def slope(size: tuple[int, int], strength: float, dice: random.Random) -> Light:
    """(H, W): light that falls from one side to another by ``strength``."""
    across, down = (np.linspace(-0.5, 0.5, side) for side in size)
    return strength * (dice.uniform(-1, 1) * across[None, :] + dice.uniform(-1, 1) * down[:, None])


def tinted(light: Light, tint: tuple[float, float, float], grain: float, dice: random.Random) -> Image.Image:
    """A picture of that colour under that light. grain: standard deviation of the noise of each pixel."""
    noise = np.random.default_rng(dice.getrandbits(32))
    pixels = light[..., None] * np.array(tint) + noise.normal(0, grain, (*light.shape, 3))
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def paper(size: tuple[int, int], tint: tuple[float, float, float], grain: float, dice: random.Random) -> Image.Image:
    """Empty paper under a scanner: nearly even light, a darker edge now and then, a few specks."""
    light = 246 + slope(size, dice.uniform(0, 14), dice) + smooth_noise(size, 4, dice) * dice.uniform(0, 2.5)
    if dice.random() < 0.3:
        width = dice.randint(4, 20)
        light[:, :width] -= np.linspace(dice.uniform(20, 80), 0, width)
    picture = tinted(light, tint, grain, dice)
    draw = ImageDraw.Draw(picture)
    for _ in range(dice.randint(0, 6)):
        x, y, radius = dice.uniform(0, size[0]), dice.uniform(0, size[1]), dice.uniform(0.5, 1.6)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(150, 145, 135))
    return picture


def _paper_of_a_family(family: random.Random) -> Drawing:
    size, grain = family.choice(PAPER_SIZES), family.uniform(0.6, 3)
    tint = family.choice([(1.0, 1.0, 1.0), (1.0, 0.985, 0.93), (1.0, 0.97, 0.88), (0.97, 0.99, 1.0)])
    return lambda dice: paper(size, tint, grain, dice)


def blank(family: random.Random) -> Drawing:
    return _paper_of_a_family(family)


def nearly_blank(family: random.Random) -> Drawing:
    """Paper with one small thing or two: a page number, a line, punch holes, a fold."""
    sheet = _paper_of_a_family(family)
    number_at, number_size = family.choice([(0.5, 0.95), (0.9, 0.95), (0.9, 0.04)]), family.randint(18, 30)
    holes_at = sorted(family.sample([0.2, 0.35, 0.5, 0.65, 0.8], k=2))

    def draw_page(dice: random.Random) -> Image.Image:
        picture = sheet(dice)
        width, height = picture.size
        draw = ImageDraw.Draw(picture)
        ink = (dice.randint(10, 70),) * 3
        for mark in dice.sample(["number", "line", "holes", "fold", "words"], k=dice.randint(1, 2)):
            if mark == "number":
                place = (width * number_at[0], height * number_at[1])
                draw.text(
                    place, str(dice.randint(1, 400)), fill=ink, font=font_of("DejaVuSerif", number_size), anchor="mm"
                )
            elif mark == "line":
                left, top, length = dice.uniform(0.1, 0.5), dice.uniform(0.1, 0.9), dice.uniform(0.1, 0.4)
                draw.line((left * width, top * height, (left + length) * width, top * height), fill=ink, width=2)
            elif mark == "holes":
                for hole in holes_at:
                    x, y, radius = 0.04 * width, hole * height + dice.uniform(-9, 9), 0.013 * width
                    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(60, 58, 55))
            elif mark == "fold":
                picture = _folded(picture, dice)
                draw = ImageDraw.Draw(picture)
            else:
                words = " ".join(dice.choices(word_list("english"), k=dice.randint(2, 5)))
                place = (width * dice.uniform(0.1, 0.4), height * dice.uniform(0.05, 0.9))
                draw.text(place, words, fill=ink, font=font_of("DejaVuSerif", dice.randint(18, 30)))
        return picture

    return draw_page


def _folded(picture: Image.Image, dice: random.Random) -> Image.Image:
    """A fold across: a dark line beside a bright one, one half a little darker."""
    pixels = np.asarray(picture).astype(np.float64)
    at = round(picture.height * dice.choice([1 / 3, 0.5, 2 / 3]) + dice.uniform(-15, 15))
    pixels[at:] -= dice.uniform(0, 5)
    pixels[at - 2 : at] -= dice.uniform(10, 30)
    pixels[at : at + 2] += 6
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def black(family: random.Random) -> Drawing:
    """Frames of a camera in the dark: noise, now and then leaked light, in some families the time of a dash cam."""
    size, grain, stamped = family.choice(FRAME_SIZES), family.uniform(0.8, 4), family.random() < 0.5
    tint = (family.uniform(0.8, 1), family.uniform(0.8, 1), family.uniform(0.8, 1))
    name = f"{family.choice(word_list('english')).upper()}-{family.randint(10, 99)}"

    def draw_frame(dice: random.Random) -> Image.Image:
        light = np.full(size[::-1], dice.uniform(1, 8))
        if dice.random() < 0.5:
            across, down = (np.linspace(0, 1, side) for side in size)
            x, y, radius = dice.choice([-0.1, dice.random(), 1.1]), dice.uniform(-0.1, 1.1), dice.uniform(0.1, 0.4)
            distance = np.hypot(across[None, :] - x, down[:, None] - y)
            light += dice.uniform(8, 45) * np.exp(-((distance / radius) ** 2))
        picture = tinted(light, tint, grain, dice)
        if stamped:
            moment = f"2024-{dice.randint(1, 12):02}-{dice.randint(1, 28):02} {dice.randint(0, 23):02}"
            moment += f":{dice.randint(0, 59):02}:{dice.randint(0, 59):02}  {name}  {dice.randint(0, 130)} km/h"
            place = (size[0] * 0.03, size[1] * 0.93)
            ImageDraw.Draw(picture).text(
                place, moment, fill=(225, 225, 215), font=font_of("DejaVuSansMono", size[1] // 32)
            )
        return picture

    return draw_frame


def sky(family: random.Random) -> Drawing:
    """From the zenith down to the horizon, clear or with thin clouds."""
    size, grain = family.choice(PHOTO_SIZES), family.uniform(0.5, 2)
    zenith = np.array([family.uniform(35, 100), family.uniform(100, 150), family.uniform(185, 225)])
    horizon = np.array([family.uniform(165, 215), family.uniform(195, 225), family.uniform(220, 250)])

    def draw_sky(dice: random.Random) -> Image.Image:
        down = np.linspace(dice.uniform(0, 0.3), dice.uniform(0.6, 1), size[1])[:, None, None]
        pixels = zenith + (horizon - zenith) * down + slope(size, dice.uniform(0, 25), dice)[..., None]
        if dice.random() < 0.6:
            clouds = sum(smooth_noise(size, cells, dice) / cells**0.7 for cells in (3, 6, 13, 27, 60))
            cover = np.clip((clouds - dice.uniform(0.0, 0.4)) * dice.uniform(0.5, 1.2), 0, 0.85)[..., None]
            pixels = pixels * (1 - cover) + dice.uniform(225, 250) * cover
        noise = np.random.default_rng(dice.getrandbits(32)).normal(0, grain, pixels.shape)
        picture = Image.fromarray(np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8))
        return picture.filter(ImageFilter.GaussianBlur(0.6))

    return draw_sky

"""Made-up pictures that share a layout and no picture: pages of text, forms, screenshots of one program, line drawings;
and copies of one poster with other words in it, which do share its picture.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.hard_grounds import PAPER_SIZES, Drawing, paper, smooth_noise
from benchmarks.rendered_words import font_of, word_list

Color = tuple[int, int, int]
SERIF, SANS, BOLD, MONO = "DejaVuSerif", "DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono"
SYLLABLES = [
    "an",
    "ber",
    "co",
    "den",
    "el",
    "fi",
    "gor",
    "hu",
    "in",
    "ja",
    "ka",
    "lo",
    "mar",
    "ne",
    "or",
    "pe",
    "qui",
    "ra",
    "sel",
    "tur",
    "ul",
    "ven",
    "wi",
    "xa",
    "yo",
    "zen",
]


def words(count: int, dice: random.Random) -> list[str]:
    """Half of them real, half made up, so that two pages share few."""
    made_up = ["".join(dice.choices(SYLLABLES, k=dice.randint(1, 4))) for _ in range(count)]
    return [dice.choice(word_list("english")).lower() if dice.random() < 0.5 else word for word in made_up]


def phrase(count: int, dice: random.Random) -> str:
    return " ".join(words(count, dice)).capitalize()


def color(lowest: int, highest: int, dice: random.Random) -> Color:
    return (dice.randint(lowest, highest), dice.randint(lowest, highest), dice.randint(lowest, highest))


def _paragraph(draw: ImageDraw.ImageDraw, box: Sequence[float], size: int, face: str, dice: random.Random) -> None:
    """Fills a box (left, top, right, bottom) with lines of words, the last one short."""
    letters = font_of(face, size)
    top = box[1]
    while top + size * 1.45 < box[3]:
        end = box[2] if top + size * 2.9 < box[3] else box[0] + (box[2] - box[0]) * dice.uniform(0.2, 0.9)
        line = ""
        for word in words(60, dice):
            if box[0] + letters.getlength(f"{line} {word}") > end:
                break
            line = f"{line} {word}".strip()
        draw.text((box[0], top), line, fill=(25, 25, 28), font=letters)
        top += size * 1.45


def text_page(family: random.Random) -> Drawing:
    """Of one book or report: the same header, footer and columns on each page."""
    width, height = family.choice(PAPER_SIZES)
    size, face, columns = round(width / family.uniform(38, 60)), family.choice([SERIF, SANS]), family.choice([1, 1, 2])
    margin, header, footer = width * family.uniform(0.08, 0.13), phrase(4, family), phrase(3, family)
    breaks = sorted(family.sample([0.3, 0.38, 0.46, 0.55, 0.63, 0.72, 0.8], k=family.randint(2, 4)))
    ruled, tint = family.random() < 0.6, family.choice([(1.0, 1.0, 1.0), (1.0, 0.985, 0.94)])

    def draw_page(dice: random.Random) -> Image.Image:
        picture = paper((width, height), tint, 1.0, dice)
        draw = ImageDraw.Draw(picture)
        small = font_of(face, round(size * 0.8))
        draw.text((margin, height * 0.04), header, fill=(60, 60, 60), font=small)
        draw.text((margin, height * 0.95), footer, fill=(60, 60, 60), font=small)
        draw.text(
            (width - margin, height * 0.95), str(dice.randint(2, 600)), fill=(60, 60, 60), font=small, anchor="ra"
        )
        if ruled:
            draw.line((margin, height * 0.065, width - margin, height * 0.065), fill=(60, 60, 60), width=2)
        title = phrase(dice.randint(2, 4), dice)[:26]
        draw.text((margin, height * 0.09), title, fill=(20, 20, 20), font=font_of(BOLD, round(size * 1.7)))
        column = (width - 2 * margin - (columns - 1) * size * 2) / columns
        for number in range(columns):
            left = margin + number * (column + size * 2)
            for start, end in zip([0.15, *breaks], [*breaks, 0.93], strict=True):
                box = (left, height * start, left + column, height * end - size * 0.8)
                _paragraph(draw, box, size, face, dice)
        return picture

    return draw_page


def form(family: random.Random) -> Drawing:
    """One printed form, filled in by different people: a typewriter or a pen, ticks, a signature."""
    width, height = family.choice(PAPER_SIZES)
    ink, margin, title = color(0, 110, family), width * 0.08, phrase(3, family).title()
    rows = [[phrase(family.randint(1, 2), family) for _ in range(family.choice([1, 2, 2, 3]))] for _ in range(9)]
    ticks = [phrase(2, family) for _ in range(family.randint(4, 7))]
    boxed, size, pitch = family.random() < 0.5, width // 60, height * family.uniform(0.058, 0.068)

    def draw_form(dice: random.Random) -> Image.Image:
        picture = paper((width, height), (1.0, 1.0, 1.0), 0.8, dice)
        draw = ImageDraw.Draw(picture)
        draw.text((margin, height * 0.05), title, fill=ink, font=font_of(BOLD, size * 2))
        draw.line((margin, height * 0.095, width - margin, height * 0.095), fill=ink, width=3)
        pen, hand = color(0, 90, dice), font_of(dice.choice([MONO, "DejaVuSerif-Italic"]), round(size * 1.3))
        for number, labels in enumerate(rows):
            top, field = height * 0.12 + number * pitch, (width - 2 * margin) / len(labels)
            for place, label in enumerate(labels):
                left = margin + place * field
                draw.text((left + 4, top), label, fill=ink, font=font_of(SANS, size))
                if boxed:
                    draw.rectangle((left, top - 4, left + field - 6, top + pitch * 0.86), outline=ink, width=2)
                else:
                    draw.line((left, top + pitch * 0.85, left + field - 12, top + pitch * 0.85), fill=ink, width=2)
                answer = phrase(2, dice)[: max(4, int(field / size / 1.1))]
                if dice.random() < 0.85:
                    draw.text((left + dice.uniform(8, 30), top + size * 1.4), answer, fill=pen, font=hand)
        for number, label in enumerate(ticks):
            left, top = margin + (number % 2) * width * 0.42, height * 0.74 + number // 2 * size * 2.4
            draw.rectangle((left, top, left + size * 1.3, top + size * 1.3), outline=ink, width=2)
            draw.text((left + size * 2, top), label, fill=ink, font=font_of(SANS, size))
            if dice.random() < 0.5:
                draw.line((left - 2, top, left + size * 1.3, top + size * 1.5), fill=pen, width=3)
                draw.line((left + size * 1.4, top - 3, left, top + size * 1.4), fill=pen, width=3)
        draw.line((width * 0.55, height * 0.93, width - margin, height * 0.93), fill=ink, width=2)
        stroke = [(width * (0.57 + 0.011 * step), height * (0.92 + dice.uniform(-0.025, 0.015))) for step in range(25)]
        draw.line(stroke, fill=pen, width=3, joint="curve")
        return picture

    return draw_form


def line_drawing(family: random.Random) -> Drawing:
    """Plans and sketches in one hand: the same pen and paper, each drawing another."""
    size, ink = family.choice([(1200, 900), (1000, 1000), (900, 1200), (1400, 1000)]), color(0, 80, family)
    pen, plans = family.randint(2, 4), family.uniform(0.3, 0.7)

    def draw_lines(dice: random.Random) -> Image.Image:
        picture = Image.new("RGB", size, "white")
        draw = ImageDraw.Draw(picture)
        (_plan if dice.random() < plans else _sketch)(draw, size, ink, pen, dice)
        return picture

    return draw_lines


def _plan(draw: ImageDraw.ImageDraw, size: tuple[int, int], ink: Color, pen: int, dice: random.Random) -> None:
    """Rooms cut out of rooms, with doors, and a dimension along one side."""
    rooms = [(size[0] * 0.1, size[1] * 0.1, size[0] * dice.uniform(0.7, 0.92), size[1] * dice.uniform(0.7, 0.9))]
    for _ in range(dice.randint(4, 9)):
        left, top, right, bottom = rooms.pop(max(range(len(rooms)), key=lambda at: _area(rooms[at])))
        share = dice.uniform(0.3, 0.7)
        if right - left > bottom - top:
            cut = left + (right - left) * share
            rooms += [(left, top, cut, bottom), (cut, top, right, bottom)]
        else:
            cut = top + (bottom - top) * share
            rooms += [(left, top, right, cut), (left, cut, right, bottom)]
    for left, top, right, bottom in rooms:
        draw.rectangle((left, top, right, bottom), outline=ink, width=pen)
        door = min(right - left, bottom - top) * 0.4
        x, y = dice.uniform(left, right - door), dice.choice([top, bottom])
        draw.line((x, y, x + door, y), fill="white", width=pen + 2)
        draw.arc((x - door, y - door, x + door, y + door), *dice.choice([(0, 90), (270, 360)]), fill=ink, width=1)
        draw.text(
            (left + 12, top + 12),
            f"{_area((left, top, right, bottom)) / 9000:.1f} m2",
            fill=ink,
            font=font_of(SANS, 16),
        )


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _sketch(draw: ImageDraw.ImageDraw, size: tuple[int, int], ink: Color, pen: int, dice: random.Random) -> None:
    """Closed wobbling outlines, some hatched, and loose strokes."""
    for _ in range(dice.randint(3, 7)):
        x, y, radius = (dice.uniform(0.2, 0.8) * size[0], dice.uniform(0.2, 0.8) * size[1], dice.uniform(50, 240))
        waves = [(dice.uniform(0, 0.25), dice.randint(2, 7), dice.uniform(0, 6.3)) for _ in range(3)]
        outline = []
        for step in range(121):
            angle = step / 120 * math.tau
            reach = radius * (1 + sum(height * math.sin(count * angle + phase) for height, count, phase in waves))
            outline.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
        draw.line(outline, fill=ink, width=pen, joint="curve")
        if dice.random() < 0.4:
            for step in range(0, 60, 3):
                draw.line((*outline[step], *outline[120 - step]), fill=ink, width=1)
    for _ in range(dice.randint(3, 10)):
        x, y, heading = dice.uniform(0, size[0]), dice.uniform(0, size[1]), dice.uniform(0, 6.3)
        stroke = [(x, y)]
        for _ in range(dice.randint(10, 40)):
            heading += dice.uniform(-0.35, 0.35)
            x, y = x + 14 * math.cos(heading), y + 14 * math.sin(heading)
            stroke.append((x, y))
        draw.line(stroke, fill=ink, width=pen, joint="curve")


def template(family: random.Random) -> Drawing:
    """A poster: most of it one picture, below and over it other words each time."""
    size = family.choice([(900, 1200), (1080, 1080), (1200, 800)])
    picture, band, bright = landscape(size, family), family.uniform(0.14, 0.24), family.random() < 0.5
    paint, letters = (color(190, 255, family), (20, 20, 20)) if bright else (color(0, 90, family), (250, 250, 250))

    def draw_poster(dice: random.Random) -> Image.Image:
        poster = picture.copy()
        draw = ImageDraw.Draw(poster)
        width, height = size
        draw.rectangle((0, height * (1 - band), width, height), fill=paint)
        for line, tall in enumerate((band * 0.36, band * 0.22)):
            text, face = phrase(dice.randint(2, 4), dice)[: 20 + 8 * line], (BOLD, SANS)[line]
            place = (width / 2, height * (1 - band * (0.7 - 0.42 * line)))
            draw.text(
                place, text, fill=letters, font=font_of(face, min(round(height * tall), width // 16)), anchor="mm"
            )
        day = f"{dice.randint(1, 28)} {dice.choice(['March', 'June', 'August', 'October'])} {dice.randint(2015, 2026)}"
        draw.text(
            (width * 0.05, height * 0.05),
            day,
            fill="white",
            font=font_of(BOLD, width // 18),
            stroke_width=2,
            stroke_fill="black",
        )
        return poster

    return draw_poster


def landscape(size: tuple[int, int], dice: random.Random) -> Image.Image:
    """Something like a photograph: a sky, ranges of hills in haze, a lit foreground with texture, trees."""
    width, height = size
    down = np.linspace(0, 1, height)[:, None, None]
    pixels = np.array(color(60, 150, dice)) * (1 - down) + np.array(color(180, 250, dice)) * down
    pixels = pixels + np.clip(smooth_noise(size, 9, dice) + smooth_noise(size, 25, dice) * 0.5, 0, 1)[..., None] * 50
    rows = np.arange(height)[:, None]
    for layer in range(5):
        bumps = np.sum([smooth_noise((width, 2), cells, dice)[0] / cells**0.6 for cells in (3, 8, 20, 60)], axis=0)
        crest = height * (0.35 + 0.12 * layer) + bumps * height * 0.12
        texture = np.sum([smooth_noise(size, cells, dice) for cells in (30, 90, 260)], axis=0) * (4 + 7 * layer)
        ground = np.array(color(30, 130, dice)) * (0.4 + 0.6 * layer / 4) + 90 * (1 - layer / 4) + texture[..., None]
        pixels = np.where((rows >= crest[None, :])[..., None], ground, pixels)
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(dice.randint(15, 40)):
        x, foot, tall = dice.uniform(0, width), height * dice.uniform(0.6, 0.95), height * dice.uniform(0.05, 0.2)
        green = color(10, 80, dice)
        for step in range(9):
            half, top = tall * 0.3 * (step + 1) / 9, foot - tall + tall * step / 9
            draw.polygon([(x - half, top + tall / 7), (x + half, top + tall / 7), (x, top)], fill=green)
    return picture.filter(ImageFilter.GaussianBlur(0.8))

"""Made-up screenshots of one program: the same title bar, tools and side bar, other contents."""

from __future__ import annotations

import random
from collections.abc import Sequence

from PIL import Image, ImageDraw

from benchmarks.hard_grounds import Drawing
from benchmarks.hard_layouts import BOLD, MONO, SANS, Color, color, phrase
from benchmarks.rendered_words import font_of

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels
LETTER = 13


def screenshot(family: random.Random) -> Drawing:
    """A document, a table or a list of messages, beside a side bar whose entries stay while another is chosen."""
    size = family.choice([(1280, 800), (1366, 768), (1440, 900), (1600, 900)])
    chrome = _chrome(size, family)
    dark = family.random() < 0.35
    ground, ink = ((30, 31, 36), (222, 222, 226)) if dark else ((252, 252, 252), (30, 32, 36))
    accent, side, top = color(40, 190, family), round(size[0] * family.uniform(0.13, 0.2)), 96
    entries = [phrase(family.randint(1, 2), family)[:16] for _ in range(family.randint(9, 16))]
    kinds = family.sample([_table, _document, _messages], k=2)

    def draw_screen(dice: random.Random) -> Image.Image:
        picture = chrome.copy()
        draw = ImageDraw.Draw(picture)
        draw.rectangle((side, top, *size), fill=ground)
        chosen = dice.randrange(len(entries))
        for number, entry in enumerate(entries):
            line = top + 18 + number * 32
            if number == chosen:
                draw.rectangle((6, line - 7, side - 8, line + 21), fill=accent)
            draw.rectangle((16, line, 28, line + 12), outline=(120, 120, 125), width=2)
            draw.text((38, line - 1), entry, fill=(70, 72, 78), font=font_of(SANS, LETTER))
        draw.text(
            (size[0] / 2, 15),
            f"{phrase(2, dice)} - {entries[chosen]}",
            fill=(60, 60, 64),
            font=font_of(SANS, LETTER),
            anchor="mm",
        )
        box = (side + 24, top + 20, size[0] - 24, size[1] - 40)
        dice.choice(kinds)(draw, box, (ink, accent), dice)
        status = f"{dice.randint(1, 999)} items   {dice.randint(1, 99)} %"
        draw.text((side + 12, size[1] - 24), status, fill=(120, 120, 126), font=font_of(SANS, LETTER - 1))
        return picture

    return draw_screen


def _chrome(size: tuple[int, int], family: random.Random) -> Image.Image:
    """What all its screenshots have: the title bar with its buttons, a row of tools, the ground of the side bar."""
    picture = Image.new("RGB", size, color(222, 246, family))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, size[0], 30), fill=color(190, 235, family))
    round_buttons = family.random() < 0.5
    for number, paint in enumerate([(237, 106, 94), (245, 191, 79), (98, 197, 84)]):
        x = 20 + 22 * number if round_buttons else size[0] - 30 - 34 * number
        if round_buttons:
            draw.ellipse((x - 7, 8, x + 7, 22), fill=paint)
        else:
            draw.line((x - 6, 15, x + 6, 15), fill=(70, 70, 70), width=2)
            draw.line((x, 15 - 6 * (number == 0), x, 15 + 6 * (number == 0)), fill=(70, 70, 70), width=2)
    left = 14
    for _ in range(family.randint(8, 16)):
        paint, shape = color(40, 190, family), family.choice(["box", "disc", "wedge", "word"])
        if shape == "box":
            draw.rounded_rectangle((left, 46, left + 26, 72), 5, fill=paint)
        elif shape == "disc":
            draw.ellipse((left, 46, left + 26, 72), outline=paint, width=5)
        elif shape == "wedge":
            draw.polygon([(left, 72), (left + 13, 46), (left + 26, 72)], fill=paint)
        else:
            draw.text((left, 50), phrase(1, family)[:7], fill=(60, 60, 66), font=font_of(BOLD, LETTER))
        left += 74 if shape == "word" else family.choice([40, 40, 58])
    draw.line((0, 95, size[0], 95), fill=(180, 180, 186), width=1)
    return picture


def _table(draw: ImageDraw.ImageDraw, box: Box, colors: Sequence[Color], dice: random.Random) -> None:
    ink, accent = colors
    columns, pitch = 6, 28
    for row in range(int((box[3] - box[1]) / pitch)):
        top = box[1] + row * pitch
        draw.line((box[0], top + pitch - 6, box[2], top + pitch - 6), fill=(150, 150, 156), width=1)
        for column in range(columns):
            left = box[0] + column * (box[2] - box[0]) / columns
            text = phrase(1, dice) if row == 0 or column < 2 else f"{dice.uniform(0, 9999):.2f}"
            draw.text(
                (left, top),
                text[:18],
                fill=accent if row == 0 else ink,
                font=font_of(BOLD if row == 0 else MONO, LETTER),
            )


def _document(draw: ImageDraw.ImageDraw, box: Box, colors: Sequence[Color], dice: random.Random) -> None:
    ink, accent = colors
    draw.text((box[0], box[1]), phrase(dice.randint(2, 4), dice), fill=accent, font=font_of(BOLD, 26))
    top = box[1] + 54
    while top < box[3] - LETTER:
        if dice.random() < 0.14:
            top += LETTER
            continue
        text = phrase(40, dice)[: int((box[2] - box[0]) * dice.uniform(0.75, 0.95) / LETTER * 1.7)]
        draw.text((box[0], top), text, fill=ink, font=font_of(SANS, LETTER))
        top += LETTER * 1.6


def _messages(draw: ImageDraw.ImageDraw, box: Box, colors: Sequence[Color], dice: random.Random) -> None:
    ink, accent = colors
    top = box[1]
    while top < box[3] - 60:
        draw.ellipse((box[0], top, box[0] + 36, top + 36), fill=color(60, 200, dice))
        draw.text((box[0] + 52, top), phrase(2, dice), fill=accent, font=font_of(BOLD, LETTER))
        for line in range(dice.randint(1, 3)):
            text = phrase(25, dice)[: dice.randint(30, 100)]
            draw.text((box[0] + 52, top + 20 * (line + 1)), text, fill=ink, font=font_of(SANS, LETTER))
        top += dice.randint(74, 96)

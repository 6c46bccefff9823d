"""Made-up pictures that a careless judge takes for each other: paper, darkness and sky, which are near to everything,
and of pages, forms and programs, which share a layout and no picture. Copies of one `template` do share its picture.

A seed is a family: its own paper, layout, form, program and poster, the same for every picture of it. Families of two
seeds share nothing, so that one can be fitted on and another tested. Pictures of one family all differ, by their bytes,
too. The same on every machine with the same Pillow, numpy and fonts.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Mapping

from PIL import Image

from benchmarks.hard_grounds import Maker, black, blank, nearly_blank, sky
from benchmarks.hard_layouts import form, line_drawing, template, text_page
from benchmarks.hard_screens import screenshot

KINDS: Mapping[str, Maker] = {
    "blank": blank,
    "nearly_blank": nearly_blank,
    "black": black,
    "sky": sky,
    "text_page": text_page,
    "form": form,
    "line_drawing": line_drawing,
    "screenshot": screenshot,
    "template": template,
}
AS_PNG = {"form", "line_drawing", "screenshot"}
EDITED = "template"  # of two pictures of this kind and family, one is an edited copy of the other


def drawn(kind: str, count: int, seed: int) -> Iterator[Image.Image]:
    """The first ``count`` pictures of that kind of the family ``seed``: RGB, long side 900 to 1600 px."""
    drawing = KINDS[kind](random.Random(f"{kind} {seed}"))
    for number in range(count):
        yield drawing(random.Random(f"{kind} {seed} {number}"))


def hard_pictures(kind: str, count: int, seed: int) -> list[bytes]:
    """`drawn`, as the bytes of PNG or JPEG files."""
    return [_encoded(picture, kind) for picture in drawn(kind, count, seed)]


def suffix(kind: str) -> str:
    return ".png" if kind in AS_PNG else ".jpg"


def _encoded(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind in AS_PNG:
        picture.save(buffer, "PNG", compress_level=1)
    else:
        picture.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()

"""The pictures of `docs/how-it-works.md` can be drawn anew, each is on the page, and together they are small."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image

from docs.pictures.draw import DRAWINGS, HERE, as_webp

PAGE = Path(HERE).parent / "how-it-works.md"
SMALL = 41  # pictures in a collection
MOST_BYTES = 700_000


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWINGS)
def test_it_can_be_drawn(name: str) -> None:
    picture = Image.open(io.BytesIO(as_webp(DRAWINGS[name](SMALL), dpi=40)))
    assert picture.width == 360
    assert len(picture.convert("L").getcolors() or ()) > 20  # something is on it


def test_the_page_shows_each_of_them_and_says_in_words_what_is_on_it() -> None:
    shown = re.findall(r"!\[([^]]+)\]\(pictures/(\w+)\.webp\)", PAGE.read_text("utf-8"))
    assert {name for _, name in shown} == set(DRAWINGS) == {path.stem for path in HERE.glob("*.webp")}
    assert all(len(says) > 60 for says, _ in shown)


def test_together_they_are_small() -> None:
    assert sum(path.stat().st_size for path in HERE.glob("*.webp")) < MOST_BYTES

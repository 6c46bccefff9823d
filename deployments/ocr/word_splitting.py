"""Text to words, the same of a picture and of a query.

A word is a run of letters, marks and digits. An apostrophe between two letters belongs to it, as do a point and a comma
between two digits; a hyphen parts words, because a reader takes it for a dash, or misses it at the end of a line. So
does UAX #29, "Unicode Text Segmentation", but for the point between letters, which parts words here too: in what was
read off a picture it mostly ends a sentence.

Where a script has no spaces between words, a run becomes its overlapping pairs of characters, so that any part of it
of two or more is found: the usual way where no dictionary is to be trusted (Lucene's CJKBigramFilter).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

APOSTROPHES = frozenset("'\u2019\u02bc\uff07")
DIGIT_JOINERS = frozenset(".,")
UNSPACED = re.compile(
    "[\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff"  # Han, Hiragana, Katakana
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"  # Thai and Lao, Myanmar, Khmer
)


class Word(NamedTuple):
    """text: what is searched for. It was written as the characters ``start`` to before ``end``."""

    text: str
    start: int
    end: int


def split_words(text: str) -> list[Word]:
    """In the order of the text. What has neither letter nor digit is no word."""
    words: list[Word] = []
    for start, end in _runs(text):
        for first, last, is_unspaced in _script_runs(text, start, end):
            if is_unspaced:
                words += _pairs(text, first, last)
            else:
                words.append(Word(_plain_apostrophes(text[first:last]), first, last))
    return [word for word in words if any(unicodedata.category(letter)[0] in "LN" for letter in word.text)]


def _runs(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each run of characters that belong together."""
    start = None
    for place in range(len(text) + 1):
        belongs = place < len(text) and (_is_of_a_word(text[place]) or (start is not None and _joins(text, place)))
        if belongs and start is None:
            start = place
        elif not belongs and start is not None:
            yield start, place
            start = None


def _is_of_a_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"


def _joins(text: str, place: int) -> bool:
    """Whether the sign at ``place`` joins its neighbours to one word."""
    before, after = text[place - 1], text[place + 1 : place + 2]
    if text[place] in APOSTROPHES:
        return before.isalpha() and after.isalpha() and not (_is_unspaced(before) or _is_unspaced(after))
    return text[place] in DIGIT_JOINERS and before.isdigit() and after.isdigit()


def _script_runs(text: str, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """The parts of a run that are written with spaces between words, and those that are not (True)."""
    first = start
    for place in range(start + 1, end + 1):
        kind = _is_unspaced(text[first])
        if place == end or (unicodedata.category(text[place])[0] != "M" and _is_unspaced(text[place]) != kind):
            yield first, place, kind
            first = place


def _is_unspaced(character: str) -> bool:
    return UNSPACED.match(character) is not None


def _pairs(text: str, start: int, end: int) -> Iterator[Word]:
    """Overlapping pairs of characters with the marks on them; a character that stands alone is a word."""
    begins = [place for place in range(start, end) if place == start or unicodedata.category(text[place])[0] != "M"]
    ends = [*begins[1:], end]
    for first, last in zip(begins, ends[1:] or ends, strict=False):
        yield Word(text[first:last], first, last)


def _plain_apostrophes(word: str) -> str:
    return "".join("'" if letter in APOSTROPHES else letter for letter in word)

"""The loops of an index of words: every row knows the row before it that has the same word."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from storage.compiled import CompiledLoop, compiled

Numbers = NDArray[np.int32]
NONE = -1


def link_rows(heads: Numbers, previous: Numbers, words: Numbers, start: int) -> None:
    """Appends rows with these words (N,), the first of them row ``start``. heads: (W,) the last row of each word."""
    _linking()(heads, previous, words, start)


def rows_of_words(heads: Numbers, previous: Numbers, words: Numbers) -> tuple[Numbers, Numbers]:
    """Every row that has one of the words (N,), and which of them: (R,) rows, (R,) places in ``words``."""
    nothing = np.zeros(0, np.int32)
    count = _following()(heads, previous, words, nothing, nothing)
    rows, places = np.empty(count, np.int32), np.empty(count, np.int32)
    _following()(heads, previous, words, rows, places)
    return rows, places


def _link(heads: Numbers, previous: Numbers, words: Numbers, start: int) -> None:
    for offset in range(len(words)):
        word = words[offset]
        previous[start + offset] = heads[word]
        heads[word] = start + offset


def _follow(heads: Numbers, previous: Numbers, words: Numbers, rows: Numbers, places: Numbers) -> int:
    """How many rows there are; writes those that there is room for."""
    count = 0
    for place in range(len(words)):
        row = heads[words[place]]
        while row >= 0:
            if count < len(rows):
                rows[count] = row
                places[count] = place
            count += 1
            row = previous[row]
    return count


@cache
def _linking() -> CompiledLoop:
    return compiled(_link, "int32[:]", "int32[:]", "int32[:]", "int64")


@cache
def _following() -> CompiledLoop:
    return compiled(_follow, "int32[:]", "int32[:]", "int32[:]", "int32[:]", "int32[:]")

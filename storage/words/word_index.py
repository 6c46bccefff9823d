"""The index of words: an inverted index over a vocabulary that is searched for similar words, too.

Like every index here it is a value (`storage.index.vector_index`): rows are appended behind those of earlier views,
each view has its own last row of every word. Rows of removed pictures are struck by their handles and leave when they
are a quarter of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from storage.compiled import compiled
from storage.index.vector_index import Allowed, Neighbors, are_allowed
from storage.types.features import Handles, Vectors
from storage.words.vocabulary import Alike, Tolerance, Vocabulary, folded
from storage.words.word_rows import WORD_BYTES, decode_words

T = TypeVar("T", np.int64, np.int32)
Numbers = NDArray[np.int32]

NONE = -1
DEAD_FRACTION = 0.25
FIRST_CAPACITY = 1024
BLOCK_ROWS = 65_536
FORM_BYTES = 240  # of Python's, about, for a form with its places in the tables
NO_HANDLES: Handles = np.zeros(0, np.int64)


@dataclass(slots=True)
class _Written:
    """What views share: every row's handle, its form in ``forms``, and the row before it with the same word."""

    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    forms: list[bytes] = field(default_factory=list)  # words as they were given, without the zeros at their ends
    form_numbers: dict[bytes, int] = field(default_factory=dict)
    words_of_forms: list[int] = field(default_factory=list)

    def form_of(self, row: bytes) -> int:
        """The number of a row's form, which is known from here on."""
        number = self.form_numbers.get(row)
        if number is None:
            [word] = decode_words(np.frombuffer(row.ljust(WORD_BYTES, b"\0"), np.uint8)[None])
            number = len(self.forms)
            self.forms.append(row)
            self.words_of_forms.append(self.vocabulary.number_of(word))
            self.form_numbers[row] = number
        return number


@dataclass(slots=True, eq=False)
class WordIndex:
    """An immutable view. Made by `empty_word_index`.

    handles, forms, previous: by row, of which the first ``used`` are this view's. heads: (W,) the last row of each
    word, -1 where there is none. dead: sorted handles of removed pictures that still have rows. pictures: with words.
    """

    written: _Written
    handles: Handles
    forms: Numbers
    previous: Numbers
    heads: Numbers
    used: int = 0
    dead: Handles = field(default_factory=lambda: NO_HANDLES)
    dead_rows: int = 0
    pictures: int = 0
    kind: str = "words"

    @property
    def rows_count(self) -> int:
        return self.used - self.dead_rows

    @property
    def memory_bytes(self) -> int:
        arrays = self.handles.nbytes + self.forms.nbytes + self.previous.nbytes + self.heads.nbytes
        return arrays + self.written.vocabulary.memory_bytes + FORM_BYTES * len(self.written.forms)

    def alike(self, spelling: str, tolerance: Tolerance) -> list[Alike]:
        """Words of this view that a folded word may mean, best first."""
        known = len(self.heads)
        every = self.written.vocabulary.alike(spelling, tolerance)
        return [one for one in every if one.word < known and self.heads[one.word] != NONE]

    def has(self, spelling: str) -> bool:
        """Whether some picture has this very word, folded; it may have been removed lately."""
        return any(self.heads[word] != NONE for word in self.exactly(spelling))

    def exactly(self, spelling: str) -> list[int]:
        """The number of this very word, folded, where this view has known it."""
        word = self.written.vocabulary.numbers.get(spelling, len(self.heads))
        return [word] if word < len(self.heads) else []

    def containing(self, part: str) -> list[int]:
        """The numbers of this view's words that have the part in them, folded."""
        spellings = self.written.vocabulary.spellings[: len(self.heads)]
        return [number for number, spelling in enumerate(spellings) if part in spelling]

    def rows_of(self, words: Numbers) -> tuple[Handles, Numbers]:
        """The live rows that have one of the words (N,): their handles (R,), and their words' places (R,)."""
        follow = compiled(_follow, "int32[:]", "int32[:]", "int32[:]", "int32[:]", "int32[:]")
        nothing = np.zeros(0, np.int32)
        count = follow(self.heads, self.previous, words, nothing, nothing)
        rows, places = np.empty(count, np.int32), np.empty(count, np.int32)
        follow(self.heads, self.previous, words, rows, places)
        handles = self.handles[rows]
        if not len(self.dead):
            return handles, places
        alive = ~np.isin(handles, self.dead)
        return handles[alive], places[alive]

    def search(self, queries: Vectors, k: int, allowed: Allowed | None = None) -> Neighbors:
        """The k allowed rows whose words are most like each query's (Q, 64), at 1 minus their quality; ties by
        handle.
        """
        handles = np.full((len(queries), k), -1, np.int64)
        distances = np.full((len(queries), k), np.inf, np.float32)
        for i, word in enumerate(decode_words(queries)):
            alike = self.alike(folded(word), Tolerance())
            found, places = self.rows_of(np.array([one.word for one in alike], np.int32))
            if allowed is not None:
                permitted = are_allowed(allowed, found)
                found, places = found[permitted], places[permitted]
            far = np.array([1 - one.quality for one in alike], np.float32)[places]
            nearest = np.lexsort((found, far))[:k]
            handles[i, : len(nearest)], distances[i, : len(nearest)] = found[nearest], far[nearest]
        return Neighbors(handles, distances)

    def with_changes(self, *, remove: Handles, add: Handles, rows: Vectors) -> WordIndex:
        index = self._without(remove) if len(remove) else self
        return index._appended(add, rows) if len(add) else index

    def _appended(self, add: Handles, rows: Vectors) -> WordIndex:
        contiguous = np.ascontiguousarray(rows, np.uint8)
        forms = np.array([self.written.form_of(bytes(row).rstrip(b"\0")) for row in contiguous], np.int32)
        words = np.array([self.written.words_of_forms[form] for form in forms], np.int32)
        end = self.used + len(add)
        handles = _grown(self.handles, self.used, end)
        all_forms, previous = _grown(self.forms, self.used, end), _grown(self.previous, self.used, end)
        handles[self.used : end], all_forms[self.used : end] = add, forms
        heads = np.full(len(self.written.vocabulary), NONE, np.int32)
        heads[: len(self.heads)] = self.heads
        compiled(_link, "int32[:]", "int32[:]", "int32[:]", "int64")(heads, previous, words, self.used)
        return replace(
            self,
            handles=handles,
            forms=all_forms,
            previous=previous,
            heads=heads,
            used=end,
            pictures=self.pictures + len(np.unique(add)),
        )

    def _without(self, removed: Handles) -> WordIndex:
        struck = np.isin(self.handles[: self.used], np.setdiff1d(removed, self.dead))
        if not struck.any():
            return self
        owners = np.unique(self.handles[: self.used][struck])
        dead_rows = self.dead_rows + int(np.count_nonzero(struck))
        dead = np.union1d(self.dead, owners)
        index = replace(self, dead=dead, dead_rows=dead_rows, pictures=self.pictures - len(owners))
        return index._tidied() if dead_rows > DEAD_FRACTION * self.used else index

    def _tidied(self) -> WordIndex:
        """Without the rows of removed pictures, and the words that only they had."""
        index = empty_word_index()
        for handles, rows in self.live_blocks():
            index = index._appended(handles, rows)
        return replace(index, pictures=self.pictures)

    def live_rows(self) -> tuple[Handles, Vectors]:
        parts = [(NO_HANDLES, np.zeros((0, WORD_BYTES), np.uint8)), *self.live_blocks()]
        return np.concatenate([handles for handles, _ in parts]), np.concatenate([rows for _, rows in parts])

    def live_blocks(self) -> Iterator[tuple[Handles, Vectors]]:
        for start in range(0, self.used, BLOCK_ROWS):
            handles = self.handles[start : min(start + BLOCK_ROWS, self.used)]
            forms = self.forms[start : start + len(handles)]
            if len(self.dead):
                alive = ~np.isin(handles, self.dead)
                handles, forms = handles[alive], forms[alive]
            whole = b"".join(self.written.forms[form].ljust(WORD_BYTES, b"\0") for form in forms.tolist())
            yield handles, np.frombuffer(whole, np.uint8).reshape(-1, WORD_BYTES)


def empty_word_index() -> WordIndex:
    nothing = np.zeros(0, np.int32)
    return WordIndex(_Written(), NO_HANDLES, nothing, nothing, nothing)


def _grown(array: NDArray[T], used: int, needed: int) -> NDArray[T]:
    """The array itself where it has room; rows behind ``used`` belong to nobody."""
    if needed <= len(array):
        return array
    larger = np.empty(max(FIRST_CAPACITY, needed, 2 * len(array)), array.dtype)
    larger[:used] = array[:used]
    return larger


def _link(heads: Numbers, previous: Numbers, words: Numbers, start: int) -> None:
    """Appends rows with these words (N,), the first of them row ``start``. heads: (W,) the last row of each word."""
    for offset in range(len(words)):
        word = words[offset]
        previous[start + offset] = heads[word]
        heads[word] = start + offset


def _follow(heads: Numbers, previous: Numbers, words: Numbers, rows: Numbers, places: Numbers) -> int:
    """How many rows have one of the words (N,); writes those that there is room for, and the places of their words."""
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

"""All words that an index of words has ever seen, and which of them a query may mean: by how a word is spelt, whatever
its case and accents, and by how it sounds.

The vocabulary only grows, so every view of an index shares it: a word of a later view has no rows in an earlier one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

HowAlike = Literal["exact", "prefix", "misspelt", "sounds"]

PREFIX_LETTERS = 2  # the fewest that may stand for a longer word
PREFIX = 0.9  # worth of a beginning that lacks nothing; half of it where it lacks nearly everything
EDITS = ((7, 2), (4, 1))  # letters of a word from which so many may be wrong
EDIT_COST = 1.2  # times the share of wrong letters
SOUND = 0.6

# Marks that a reader leaves out when in doubt: accents, vowel points of Hebrew and of Arabic. Those of Japanese or of
# Indian scripts make another letter.
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u0652]")
_SOUND_FROM = 3  # letters; shorter words sound like too many others


@dataclass(frozen=True, slots=True)
class Alike:
    """A known word that a query may mean. quality: from 0 to 1, for the word itself."""

    word: int
    spelling: str
    quality: float
    how: HowAlike


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Which other words than the very one a query may mean."""

    prefix: bool = True
    misspelt: bool = True
    sounds: bool = True


class Vocabulary:
    """One writer, any number of readers."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}  # by folded word
        self.spellings: list[str] = []  # by number
        self._beginnings: defaultdict[str, list[int]] = defaultdict(list)
        self._lengths: defaultdict[int, tuple[list[int], list[str]]] = defaultdict(lambda: ([], []))
        self._sounds: defaultdict[str, list[int]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self.spellings)

    @property
    def memory_bytes(self) -> int:
        """About: a word with its places in the tables takes some 450 bytes of Python's."""
        return 450 * len(self)

    def number_of(self, word: str) -> int:
        """Of a word in any form, which is known from here on."""
        spelling = folded(word)
        number = self.numbers.get(spelling)
        if number is None:
            number = len(self.spellings)
            self.spellings.append(spelling)
            self._beginnings[spelling[:PREFIX_LETTERS]].append(number)
            numbers, spellings = self._lengths[len(spelling)]
            spellings.append(spelling)
            numbers.append(number)  # last: readers go by how many there are
            if sound := sound_of(spelling):
                self._sounds[sound].append(number)
            self.numbers[spelling] = number
        return number

    def alike(self, spelling: str, tolerance: Tolerance) -> list[Alike]:
        """Words that a folded one may mean, each for the best of reasons, best first."""
        found: dict[int, Alike] = {}
        for one in self._candidates(spelling, tolerance):
            if one.word not in found or found[one.word].quality < one.quality:
                found[one.word] = one
        return sorted(found.values(), key=lambda one: (-one.quality, one.spelling))

    def _candidates(self, spelling: str, tolerance: Tolerance) -> list[Alike]:
        exact = self.numbers.get(spelling)
        found = [] if exact is None else [Alike(exact, spelling, 1.0, "exact")]
        if tolerance.prefix:
            found += self._longer(spelling)
        if tolerance.misspelt:
            found += self._misspelt(spelling)
        if tolerance.sounds and (sound := sound_of(spelling)):
            same = self._sounds.get(sound, ())
            found += [Alike(number, self.spellings[number], SOUND, "sounds") for number in same if number != exact]
        return found

    def _longer(self, spelling: str) -> list[Alike]:
        """None of a single letter: the beginnings are of two."""
        words = ((number, self.spellings[number]) for number in self._beginnings.get(spelling[:PREFIX_LETTERS], ()))
        return [
            Alike(number, word, PREFIX * (0.5 + 0.5 * len(spelling) / len(word)), "prefix")
            for number, word in words
            if len(word) > len(spelling) and word.startswith(spelling)
        ]

    def _misspelt(self, spelling: str) -> Iterator[Alike]:
        """Within a few edits: letters left out, put in, exchanged, swapped with the next (optimal string alignment)."""
        from rapidfuzz.distance import OSA
        from rapidfuzz.process import cdist

        edits = next((edits for letters, edits in EDITS if len(spelling) >= letters), 0)
        if not edits or not spelling.isalpha():  # another number is not a misspelt one
            return
        for length in range(len(spelling) - edits, len(spelling) + edits + 1):
            numbers, every = self._lengths.get(length, ((), ()))
            words = every[: len(numbers)]
            if not words:
                continue
            distances = cdist([spelling], words, scorer=OSA.distance, score_cutoff=edits, dtype=np.uint8)[0]
            for place in np.flatnonzero((distances > 0) & (distances <= edits)).tolist():
                quality = 1 - EDIT_COST * float(distances[place]) / len(spelling)
                yield Alike(numbers[place], words[place], quality, "misspelt")


@lru_cache(maxsize=65_536)
def folded(word: str) -> str:
    """Without case, accents and compatibility forms: "Café" and "CAFE" are "cafe"."""
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", word))
    return unicodedata.normalize("NFC", plain.casefold())


def sound_of(spelling: str) -> str:
    """How a folded word sounds, as its Metaphone key (Philips, 1990) after writing it in Latin letters; empty where it
    is too short, is not all letters, or has no key.
    """
    import jellyfish
    from anyascii import anyascii

    if len(spelling) < _SOUND_FROM or not spelling.isalpha():
        return ""
    latin = anyascii(spelling)
    return str(jellyfish.metaphone(latin)) if latin.isalpha() else ""

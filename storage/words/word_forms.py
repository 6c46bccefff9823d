"""The forms of a word that searching goes by: how it is spelt, whatever its case and accents, and how it sounds."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Marks that a reader leaves out when in doubt: accents, vowel points of Hebrew and of Arabic. Those of Japanese or of
# Indian scripts make another letter.
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u0652]")
_SOUND_FROM = 3  # letters; shorter words sound like too many others


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

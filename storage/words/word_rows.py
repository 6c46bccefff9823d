"""Words as rows of bytes, so that they are stored, logged and indexed as any other feature.

A row is a word's UTF-8 in composed form (NFC), filled up with zeros; of a longer word the beginning.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from storage.types.features import BinaryVectors, Vectors

WORD_BYTES = 64


def encode_words(words: Sequence[str]) -> BinaryVectors:
    """(R, 64) rows of R words."""
    return np.frombuffer(b"".join(map(_row, words)), np.uint8).reshape(-1, WORD_BYTES).copy()


def decode_words(rows: Vectors) -> list[str]:
    """Inverse of `encode_words`."""
    return [bytes(row).rstrip(b"\0").decode("utf-8", "ignore") for row in np.ascontiguousarray(rows, np.uint8)]


def _row(word: str) -> bytes:
    encoded = unicodedata.normalize("NFC", word).replace("\0", "").encode()[:WORD_BYTES]
    return encoded.decode("utf-8", "ignore").encode().ljust(WORD_BYTES, b"\0")

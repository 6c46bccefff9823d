"""Pictures with words, made up for the tests of their index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.types.features import FeatureRows, FeatureSpec
from storage.types.searches import FeatureQuery
from storage.words.word_rows import WORD_BYTES, encode_words

TEXT = FeatureSpec("text", "words", WORD_BYTES, "words", "text-1")
FRAME = (320, 240)


def words_feature(words: Sequence[str], confidence: float = 0.9) -> FeatureRows:
    """Words in a column, each 20 pixels high."""
    tops = [20.0 * place for place in range(len(words))]
    boxes = np.array([[[10, top], [60, top], [60, top + 20], [10, top + 20]] for top in tops], np.float32)
    extras: dict[str, NDArray[Any]] = {
        "boxes": boxes.reshape(-1, 4, 2),
        "confidence": np.full(len(words), confidence, np.float32),
        "frame": np.array(FRAME, np.int64),
        "line": np.arange(len(words), dtype=np.int32),
    }
    return FeatureRows(encode_words(words), extras=extras)


def ask_words(text: str, k: int = 10, max_distance: float | None = None, **params: object) -> FeatureQuery:
    return FeatureQuery("text", encode_words(text.split()), k, max_distance, params)

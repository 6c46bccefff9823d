"""Whether a sentence fits a picture, told beside ordinary sentences.

How near a sentence comes to what it describes differs from model to model, and some picture of a collection is the
nearest to any sentence. So it is held against sentences about ordinary things: how near those come to the pictures of
this collection that they fit best, and how near they come to the very picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from storage.types.features import FloatVectors

SENTENCES = Path(__file__).with_name("ordinary_sentences.txt")

BEST = 0.97  # quantile of how near ordinary sentences come to what they fit best
# Of the way from a usual likeness of a sentence and a picture to the best one:
NEARLY_BEST = 0.08  # below the best one
STANDS_ALONE = 0.4  # above any other sentence for the picture
SAYS_THE_SAME = 0.9  # cosine of two sentences, from the middle of all, that are not held against each other


@cache
def ordinary_sentences() -> tuple[str, ...]:
    return tuple(SENTENCES.read_text(encoding="utf-8").splitlines())


@dataclass(frozen=True, slots=True, eq=False)
class OrdinarySentences:
    """rows: (B, D) of unit length. usual, best: cosines of sentences and pictures. pictures: of the collection when
    these were measured.
    """

    rows: FloatVectors
    usual: float
    best: float
    pictures: int

    @classmethod
    def measured(cls, rows: FloatVectors, sampled: FloatVectors, pictures: int) -> Self:
        """sampled: (S, D) rows of pictures of the collection, at least one."""
        likeness = sampled @ rows.T
        return cls(rows, float(np.median(likeness)), float(np.quantile(likeness.max(axis=0), BEST)), pictures)

    def fit(self, sentence: FloatVectors, pictures: FloatVectors) -> NDArray[np.bool_]:
        """(N,) which of (N, D) pictures a sentence (D,) fits."""
        reach = max(self.best - self.usual, 1e-6)
        likeness = pictures @ sentence
        above = (likeness - (pictures @ self._others(sentence).T).max(axis=1)) / reach
        is_near = likeness >= self.best - NEARLY_BEST * reach
        return np.asarray((above >= 0) & (is_near | (above >= STANDS_ALONE)))

    def _others(self, sentence: FloatVectors) -> FloatVectors:
        middle = self.rows.mean(axis=0)
        away, own = self.rows - middle, sentence - middle
        alike = away @ own / np.maximum(np.linalg.norm(away, axis=1) * np.linalg.norm(own), 1e-6)
        return np.asarray(self.rows[alike < SAYS_THE_SAME])

"""Searching by words: which pictures have words that are, begin like, are spelt nearly like or sound like the query's.

A picture's score is the mean, over the query's words, of how good its best word for each is; rare words count more, by
the inverse document frequency of BM25 (Robertson, Zaragoza, 2009). Its distance is 1 minus that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import InvalidField, InvalidRequest
from storage.index.vector_index import Allowed, are_allowed
from storage.types.features import FeatureRows, Handles, Vectors
from storage.types.searches import FeatureQuery
from storage.words.vocabulary import Alike, HowAlike, Tolerance, folded
from storage.words.word_index import Numbers, WordIndex
from storage.words.word_rows import decode_words

MIN_SCORE = 0.5
MOST_QUERY_WORDS = 256
FEW_WORDS = 8  # that are looked for in other spellings, which takes a look at every word there is
MOST_EVIDENCE = 64  # words a hit
DIGITS = 6


@dataclass(frozen=True, slots=True)
class WordParams:
    """What a search may ask of the feature.

    min_score: of the query's words, rare ones counting more, how much a picture must have. prefix, misspelt, sounds:
    whether words that begin like the query's, are spelt nearly like them, or sound like them are as good.
    """

    min_score: float = MIN_SCORE
    prefix: bool = True
    misspelt: bool = True
    sounds: bool = True

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> WordParams:
        """Raises `InvalidField` that names what is allowed."""
        known = [one.name for one in fields(cls)]
        for key, value in params.items():
            if key not in known:
                raise InvalidField(f"text has no parameter {key!r}", f"it has {', '.join(known)}")
            if key == "min_score" and not (_is_number(value) and 0 <= value <= 1):
                raise InvalidField(f"min_score of text cannot be {value!r}", "give a number from 0 to 1")
            if key != "min_score" and not isinstance(value, bool):
                raise InvalidField(f"{key} of text cannot be {value!r}", "give true or false")
        return cls(**dict(params))


@dataclass(frozen=True, slots=True, eq=False)
class AskedWord:
    """A word of the query. alike: what it may mean, by folded word. weight: how rare it is. handles, quality: (P,) the
    pictures that have any of these, once each, and how good the best is.
    """

    word: str
    alike: Mapping[str, Alike]
    weight: float
    handles: Handles
    quality: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FoundWord:
    """A word of a stored picture. box: (4, 2) its corners in pixels of ``frame`` (width, height)."""

    query: str
    word: str
    how: HowAlike
    confidence: float
    box: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FoundWords:
    """A picture with words of the query."""

    handle: int
    distance: float
    frame: tuple[int, int] = (0, 0)
    words: Sequence[FoundWord] = field(default_factory=tuple)


def find_words(
    index: WordIndex,
    query: FeatureQuery,
    feature_of: Callable[[int], FeatureRows],
    allowed: Allowed | None = None,
) -> list[FoundWords]:
    """The allowed pictures that have the query's words, best first; ties by handle. How rare a word is, is counted over
    all pictures. feature_of: a picture's words.
    """
    params = WordParams.of(query.params)
    asked = list(_asked(index, list(dict.fromkeys(decode_words(query.rows))), params))
    most = 1 - params.min_score if query.max_distance is None else min(1 - params.min_score, query.max_distance)
    handles, distances = _scored(asked)
    near = np.flatnonzero(distances <= most + 1e-9)
    near = near if allowed is None else near[are_allowed(allowed, handles[near])]
    best = near[np.lexsort((handles[near], distances[near]))][: query.k]
    return [_with_evidence(int(handles[i]), float(distances[i]), asked, feature_of) for i in best]


def check_words(where: str, rows: Vectors, extras: Mapping[str, NDArray[Any]]) -> None:
    """Raises `InvalidRequest` unless the extras say of every row where its word is and how sure the reading."""
    count = len(rows)
    for name, shape in {"boxes": (count, 4, 2), "confidence": (count,), "frame": (2,)}.items():
        array = extras.get(name)
        if array is None or array.shape != shape:
            raise InvalidRequest(f"{where}: no {name} {shape} for {count} words", "compute it again")
    if count and not (extras["frame"] > 0).all():
        raise InvalidRequest(f"{where}: its frame is {extras['frame'].tolist()}", "compute it again")


def _asked(index: WordIndex, words: Sequence[str], params: WordParams) -> Iterator[AskedWord]:
    by_spelling = {folded(word): word for word in reversed(words)}
    spellings = list(dict.fromkeys(map(folded, words)))[:MOST_QUERY_WORDS]
    unknown = [spelling for spelling in spellings if not index.has(spelling)]
    thoroughly = set(spellings if len(spellings) <= FEW_WORDS else unknown[:FEW_WORDS])
    for spelling in spellings:
        thorough = spelling in thoroughly
        tolerance = Tolerance(params.prefix, params.misspelt and thorough, params.sounds and thorough)
        alike = index.alike(spelling, tolerance)
        handles, best = _best_of_each(index, alike)
        quality = np.array([one.quality for one in alike], np.float64)[best]
        weight = _rarity(index.pictures, int(np.count_nonzero(quality == 1)))
        yield AskedWord(by_spelling[spelling], {one.spelling: one for one in alike}, weight, handles, quality)


def _best_of_each(index: WordIndex, alike: Sequence[Alike]) -> tuple[Handles, Numbers]:
    """(P,) each picture that has one of the words, and (P,) the place of the first of them that it has."""
    found, places = index.rows_of(np.array([one.word for one in alike], np.int32))
    together = np.sort(found * len(alike) + places)
    handles, places = np.divmod(together, max(1, len(alike)))
    first = np.concatenate([np.ones(min(1, len(handles)), np.bool_), handles[1:] != handles[:-1]])
    return handles[first], places[first]


def _rarity(pictures: int, having: int) -> float:
    """A word that no picture has counts as if one had it: one word of two that are asked for is half of them."""
    having = max(1, having)
    pictures = max(pictures, having)
    return math.log(1 + (pictures - having + 0.5) / (having + 0.5))


def _scored(asked: Sequence[AskedWord]) -> tuple[Handles, NDArray[np.float64]]:
    """(P,) every picture that has any of the words, and its distance."""
    full = math.fsum(word.weight for word in asked)
    if not full:
        return np.zeros(0, np.int64), np.zeros(0)
    handles = np.concatenate([word.handles for word in asked])
    worth = np.concatenate([word.quality * word.weight for word in asked])
    every, place = np.unique(handles, return_inverse=True) if len(asked) > 1 else (handles, np.arange(len(handles)))
    return every, np.round(1 - np.bincount(place, weights=worth, minlength=len(every)) / full, DIGITS)


def _with_evidence(
    handle: int, distance: float, asked: Sequence[AskedWord], feature_of: Callable[[int], FeatureRows]
) -> FoundWords:
    feature = feature_of(handle)
    width, height = (int(length) for length in feature.extras["frame"])
    stored = decode_words(feature.rows)
    spellings = [folded(word) for word in stored]
    words = []
    for one in asked:
        own = [(one.alike[spelling], row) for row, spelling in enumerate(spellings) if spelling in one.alike]
        best = max((alike.quality for alike, _ in own), default=0.0)
        for alike, row in own:
            if alike.quality == best:
                confidence = float(feature.extras["confidence"][row])
                words.append(FoundWord(one.word, stored[row], alike.how, confidence, feature.extras["boxes"][row]))
    return FoundWords(handle, max(0.0, distance), (width, height), words[:MOST_EVIDENCE])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

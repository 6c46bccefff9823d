"""From pictures and sentences to one vector to ask with, and from what was found to a better one.

A search by a picture, a stored one and a sentence together asks with the weighted sum of their vectors; sentences to
keep away from are taken off. Alpha query expansion then adds what was found first, weighted by its likeness.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from storage.errors import ExtractorFailed, InvalidField
from storage.index.query_expansion import ROW_WEIGHTS
from storage.index.unit_vectors import unit_rows
from storage.types.features import FeatureRows, FloatVectors
from storage.types.searches import FeatureQuery, Hit

MOST_NEIGHBOURS = 100


@dataclass(frozen=True, slots=True)
class VectorParams:
    """Search parameters of features that are vectors of a model.

    aqe_n: results to expand the query with; 0 leaves it as it is. aqe_alpha: power of their likeness that weighs them.
    image_weight, text_weight, not_weight: how much pictures, the sentence, and the sentences to keep away from count.
    """

    aqe_n: int = 0
    aqe_alpha: float = 3.0
    image_weight: float = 1.0
    text_weight: float = 1.0
    not_weight: float = 0.5

    @classmethod
    def of(cls, feature: str, params: Mapping[str, Any]) -> Self:
        """Raises `InvalidField` for a parameter that there is not, or out of its range. Numbers may be strings."""
        known = {one.name for one in fields(cls)}
        for key in params:
            if key not in known:
                raise InvalidField(f"{feature} has no parameter {key!r}", f"it has {', '.join(sorted(known))}")
        values = {key: _number(feature, key, value) for key, value in params.items()}
        neighbours = values.get("aqe_n", 0)
        if neighbours != int(neighbours) or neighbours > MOST_NEIGHBOURS:
            raise InvalidField(f"aqe_n of {feature} cannot be {params['aqe_n']!r}", f"0 to {MOST_NEIGHBOURS} results")
        rest = {key: value for key, value in values.items() if key != "aqe_n"}
        return cls(int(neighbours), **rest)


def _number(feature: str, key: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(value, bool) or not 0 <= number < 1000:
        raise InvalidField(f"{key} of {feature} cannot be {value!r}", "give a number of at least 0")
    return number


def weighted_query(
    pictures: Sequence[FeatureRows],
    texts: Sequence[FeatureRows],
    not_texts: Sequence[FeatureRows],
    params: VectorParams,
) -> FeatureRows:
    """One row, (1, D) of unit length: pictures count by their mean, as do sentences to keep away from. Raises
    `InvalidField` where nothing is left of it, `ExtractorFailed` where one model has just taken over from another.
    """
    parts = [(params.image_weight / len(pictures), rows) for rows in pictures]
    parts += [(params.text_weight, rows) for rows in texts]
    parts += [(-params.not_weight / len(not_texts), rows) for rows in not_texts]
    fingerprint = parts[0][1].fingerprint
    if any(rows.fingerprint != fingerprint for _, rows in parts):
        raise ExtractorFailed(
            "the stored image and the query were computed by different models", "try again in a minute"
        )
    if len(parts) == 1:
        return FeatureRows(parts[0][1].rows, fingerprint=fingerprint)
    total = np.sum([weight * rows.rows.astype(np.float64) for weight, rows in parts], axis=0)
    if np.linalg.norm(total) < 1e-6:
        raise InvalidField("the parts of the query cancel each other out", "give one of them more weight")
    return FeatureRows(unit_rows(np.asarray(total, np.float32)), fingerprint=fingerprint)


def mean_row(pictures: Sequence[FeatureRows]) -> FeatureRows:
    """Of histograms, (1, D) each."""
    mean = np.mean([picture.rows for picture in pictures], axis=0, dtype=np.float64)
    return FeatureRows(np.asarray(mean, np.float32), fingerprint=pictures[0].fingerprint)


def expanded_query(
    query: FeatureQuery, hits: Sequence[Hit], rows: Sequence[FloatVectors], alpha: float
) -> FeatureQuery:
    """hits: the nearest, with their rows (1, D) each, in order. The query itself has the weight 1."""
    likeness = np.array([max(0.0, 1.0 - hit.distance) for hit in hits], np.float32)
    weights = np.concatenate([np.ones(1, np.float32), likeness ** np.float32(alpha)])
    return FeatureQuery(
        query.feature,
        np.concatenate([query.rows, *rows]),
        query.k,
        query.max_distance,
        query.params,
        {ROW_WEIGHTS: weights},
        query.fingerprint,
    )

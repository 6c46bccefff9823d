"""What stands out of a collection: near to the query in a way that strangers are not.

The same distance means much or nothing, as far away as the collection lies from this very query. How far strangers lie
is told by the farther half of them, because among the nearer ones are those that the query is looked for.
"""

from __future__ import annotations

from typing import Literal

from graph.judging.strangers import Strangers
from storage.types.features import Metric

FARTHER = 0.84  # quantile that lies one standard deviation beyond the middle, of distances spread as by chance
FEWEST = 8  # pictures from which something can stand out
PLAIN_HASHES = 288.0, 12.0  # bits: middle and spread of photographs' distances, for collections of fewer pictures
LEAST_SPREAD = 0.01  # of the middle

HASH_STANDS_OUT = 6.5  # spreads nearer than the middle
HISTOGRAM_NEARER = 0.22  # of the middle distance
VECTOR_NEARER, VECTOR_STANDS_OUT = 0.62, 3.0
WORDS_NEAR = 0.3

Asked = Literal["picture", "sentence"]


def surprise(distance: float, middle: float, spread: float) -> float:
    """How much nearer than strangers something is, in spreads of theirs."""
    return (middle - distance) / max(spread, LEAST_SPREAD * middle, 1e-6)


def hash_surprise(distance: float, strangers: Strangers | None) -> float | None:
    """None where it is not known how far strangers are."""
    if strangers is None:
        return None
    return surprise(distance, *PLAIN_HASHES) if strangers.pictures < FEWEST else _nearer(distance, strangers)


def stands_out(metric: Metric, distance: float, strangers: Strangers | None, asked: Asked) -> bool:
    """Whether a picture is similar by this feature."""
    if metric == "words":
        return asked == "sentence" or distance <= WORDS_NEAR
    if strangers is None or strangers.pictures < FEWEST or metric == "inliers":
        return False
    if metric == "hamming":
        return _nearer(distance, strangers) >= HASH_STANDS_OUT
    if metric == "l1":
        return distance <= HISTOGRAM_NEARER * strangers.median
    return distance <= VECTOR_NEARER * strangers.median and _nearer(distance, strangers) >= VECTOR_STANDS_OUT


def _nearer(distance: float, strangers: Strangers) -> float:
    middle = strangers.median
    return surprise(distance, middle, strangers.quantile(FARTHER) - middle)

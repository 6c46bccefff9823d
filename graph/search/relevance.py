"""Judged results: their order, which of them a request wants, and what they come to. Pure functions.

Each narrower relevance is the beginning of the wider ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from lookalike_client.matches import STRONG, Relation, Relevance, Verdict

MATCH, UNSURE, SCENE, SIMILAR, REST = range(5)  # in the order in which they come
LAST: dict[Relevance, int] = {"strong": UNSURE, "likely": SIMILAR, "all": REST}


class Judgeable(Protocol):
    """A result, or a candidate for one."""

    @property
    def relation(self) -> Relation | None: ...

    @property
    def confidence(self) -> float | None: ...

    @property
    def is_strong(self) -> bool: ...


One = TypeVar("One", bound=Judgeable)


def of_relevance(results: Sequence[One], relevance: Relevance) -> list[One]:
    """Those that are wanted: first what is proven, by confidence, then what would be but for a part of the service that
    did not answer, then ``scene`` by confidence, then ``similar``, then the rest, both as they rank; so do equal
    confidences, and none is less than any. results: judged, as they rank, best score first.

    A strong relation that is not likely to be right (`SearchResult.is_strong`) counts for nothing: it is of the rest.
    """
    last = LAST[relevance]
    return sorted([result for result in results if _group(result) <= last], key=_place)


def verdict(results: Sequence[Judgeable]) -> Verdict:
    """results: all that were judged, whatever is wanted of them."""
    best = min((group for group in map(_group, results) if group != UNSURE), default=REST)
    if best == MATCH:
        return "match"
    return "none" if best == REST else "similar"


def _place(result: Judgeable) -> tuple[int, float]:
    group = _group(result)
    return group, -(result.confidence or 0.0) if group in (MATCH, SCENE) else 0.0


def _group(result: Judgeable) -> int:
    if result.is_strong:
        return MATCH
    if result.relation in STRONG and result.confidence is None:
        return UNSURE
    if result.relation == "scene":
        return SCENE
    return SIMILAR if result.relation == "similar" else REST

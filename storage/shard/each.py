"""Pictures that are near to each of a query's pictures: they are as far away as they are from the farthest of these."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from storage.types.searches import FeatureQuery

DEEPER = 4  # times as many of each list, where too few pictures are in all of them


class _Found(Protocol):
    @property
    def handle(self) -> int: ...


class _Near(_Found, Protocol):
    @property
    def distance(self) -> float: ...


One = TypeVar("One", bound=_Found)
Near = TypeVar("Near", bound=_Near)


def queries_of_each(query: FeatureQuery) -> list[FeatureQuery]:
    """The query as one for each of its pictures."""
    alone = replace(query, others=())
    return [alone, *(replace(alone, rows=other.rows, extras=other.extras) for other in query.others)]


def in_all(lists: Sequence[Sequence[One]]) -> list[tuple[One, ...]]:
    """Of every picture that is in each of the lists what each says of it."""
    first, *others = ({one.handle: one for one in found} for found in lists)
    return [
        (one, *(other[handle] for other in others))
        for handle, one in first.items()
        if all(handle in other for other in others)
    ]


def near_to_each(
    query: FeatureQuery, search: Callable[[list[FeatureQuery]], list[list[Near]]], rows_count: int
) -> list[Near]:
    """The ``k`` nearest, exactly; ties by handle. search: the nearest to each query, nearest first; rows_count: of the
    index that it searches.

    The lists are made longer until whatever is not in all of them is farther away than what is (Fagin, Lotem, Naor,
    "Optimal aggregation algorithms for middleware", 2003).
    """
    queries, depth = queries_of_each(query), query.k
    while True:
        lists = search([replace(one, k=depth, max_distance=None) for one in queries])
        nearest = sorted(
            (max(own, key=lambda one: one.distance) for own in in_all(lists)),
            key=lambda one: (one.distance, one.handle),
        )
        reached = min((found[-1].distance for found in lists if len(found) >= depth), default=math.inf)
        known = sum(one.distance < reached for one in nearest)
        most = math.inf if query.max_distance is None else query.max_distance
        if known >= query.k or reached > most or depth >= rows_count:
            return [one for one in nearest[: query.k] if one.distance <= most]
        depth = min(DEEPER * depth, rows_count)

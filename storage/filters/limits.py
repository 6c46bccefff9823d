"""How large a filter may be, and looking through one. Nothing here recurses, so no depth can hurt."""

from __future__ import annotations

from collections.abc import Iterator

from storage.errors import InvalidField
from storage.types.filters import AllOf, AnyOf, Comparison, Filter, Not

MOST_CHARACTERS = 20_000
MOST_DEPTH = 32
MOST_COMPARISONS = 100
MOST_VALUES = 1000  # of all comparisons together


def check_size(filter: Filter) -> Filter:
    """The filter itself. Raises `InvalidField` for one that is too large."""
    deepest, comparisons, values = 0, 0, 0
    for part, depth in _walk(filter):
        deepest = max(deepest, depth)
        if isinstance(part, Comparison):
            comparisons, values = comparisons + 1, values + len(part.values)
    for what, count, most in (
        ("levels", deepest, MOST_DEPTH),
        ("comparisons", comparisons, MOST_COMPARISONS),
        ("values", values, MOST_VALUES),
    ):
        if count > most:
            raise InvalidField(f"filter: it has {count} {what}, the limit is {most}", "ask for less at a time")
    return filter


def names(filter: Filter, field: str) -> bool:
    """Whether any comparison is of this field."""
    return any(isinstance(part, Comparison) and part.field == field for part, _ in _walk(filter))


def _walk(filter: Filter) -> Iterator[tuple[Filter, int]]:
    """Every part and its depth, from 1."""
    waiting: list[tuple[Filter, int]] = [(filter, 1)]
    while waiting:
        part, depth = waiting.pop()
        yield part, depth
        if isinstance(part, Not):
            waiting.append((part.part, depth + 1))
        elif isinstance(part, AllOf | AnyOf):
            waiting.extend((inner, depth + 1) for inner in part.parts)

"""Whether single values are what a comparison asks for, where a column has few of them."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from storage.columns.texts import folded
from storage.types.filters import Operator

ORDER: Mapping[Operator, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def text_test(op: Operator, values: Sequence[str]) -> Callable[[str], bool]:
    """Of a text in any case: = in ~ < <= > >=."""
    wanted = [folded(value) for value in values]
    if op in ORDER:
        return lambda text: ORDER[op](folded(text), wanted[0])
    if op == "~":
        return lambda text: wanted[0] in folded(text)
    return lambda text: folded(text) in wanted


def folder_test(op: Operator, values: Sequence[str]) -> Callable[[str], bool]:
    """Of a file's folder, with the slash at its end: = in ~. An absolute one means what lies at it or below it; another
    one any folder on the way that has this name, or several that have these names one after the other.
    """
    if op == "~":
        contains = text_test(op, values)
        return lambda folder: contains(bare_folder(folder))
    parts = [_as_part(value) for value in values if value]

    def lies_in(folder: str) -> bool:
        return any(folder.startswith(part) if part.startswith("/") else f"/{part}" in folder for part in parts)

    return lies_in


def bare_folder(folder: str) -> str:
    """As users write it."""
    return folder.rstrip("/") or "/"


def _as_part(folder: str) -> str:
    """With one slash at its end, so that no folder passes for one with a longer name."""
    return folder.rstrip("/") + "/"


def scalars_test(op: Operator, values: Sequence[str]) -> Callable[[str], bool]:
    """Of a JSON list of values of the metadata, any of which will do: = in ~ < <= > >=."""
    return lambda scalars: any(_scalar_is(op, scalar, value) for scalar in json.loads(scalars) for value in values)


def _scalar_is(op: Operator, scalar: str | int | float, value: str) -> bool:
    if isinstance(scalar, bool):
        return op in ("=", "in") and value.lower() == str(scalar).lower()
    if op == "~":
        return folded(value) in folded(str(scalar))
    if isinstance(scalar, str):
        return ORDER[op](scalar, value) if op in ORDER else scalar == value
    try:
        number = float(value)
    except ValueError:
        return False
    return ORDER[op](scalar, number) if op in ORDER else scalar == number

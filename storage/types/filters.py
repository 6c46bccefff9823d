"""A filter: which pictures are meant, as a value. Made and checked by `storage.filters`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Value = str | int | float | bool
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "~", "in", "exists"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """``field op value``.

    key: of the field ``metadata``, the keys from the outermost one on. values: one; of ``in`` any number, of
    ``exists`` none. Those of numbers are numbers, of ``missing`` booleans, all others text.
    """

    field: str
    op: Operator
    values: tuple[Value, ...] = ()
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    part: Filter


@dataclass(frozen=True, slots=True)
class AllOf:
    """parts: at least two."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """parts: at least two."""

    parts: tuple[Filter, ...]


Filter = Comparison | Not | AllOf | AnyOf

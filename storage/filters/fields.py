"""The fields that a filter may name, what each may be compared by, and with what."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from storage.errors import InvalidField, did_you_mean
from storage.filters.times import span_of
from storage.types.filters import Comparison, Operator, Value

FieldKind = Literal["text", "folder", "many", "number", "time", "flag", "place", "metadata"]

FIELDS: Mapping[str, FieldKind] = {
    "id": "text",
    "path": "text",
    "folder": "folder",
    "format": "text",
    "width": "number",
    "height": "number",
    "pixels": "number",
    "bytes": "number",
    "added_at": "time",
    "taken_at": "time",
    "camera": "text",
    "missing": "flag",
    "tags": "many",
    "caption": "text",
    "words": "many",
    "gps": "place",
    "metadata": "metadata",
}
SORTABLE = (
    "id", "path", "folder", "format", "width", "height", "pixels", "bytes", "added_at", "taken_at", "camera",
    "missing", "caption", "metadata",
)  # fmt: skip
OPERATORS: tuple[Operator, ...] = get_args(Operator)
_EQUAL: tuple[Operator, ...] = ("=", "!=", "in", "exists")
_ORDER: tuple[Operator, ...] = ("<", "<=", ">", ">=")
_ALLOWED: Mapping[FieldKind, tuple[Operator, ...]] = {
    "text": (*_EQUAL, *_ORDER, "~"),
    "folder": (*_EQUAL, "~"),
    "many": (*_EQUAL, "~"),
    "number": (*_EQUAL, *_ORDER),
    "time": (*_EQUAL, *_ORDER),
    "flag": _EQUAL,
    "place": ("exists",),
    "metadata": OPERATORS,
}
_BOOLEANS: Mapping[str, bool] = {"true": True, "false": False}
_KEY = r'[\w-]+|"(?:[^"\\]|\\.)*"'
FIELD_PATTERN = rf"[^\W\d]\w*(?:\.(?:{_KEY}))*"
_PARTS = re.compile(rf"(?:^|\.)({_KEY})")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts of a comparison stand, for the messages of errors."""

    field: str
    op: str
    value: str


def comparison(places: Places, field: str, op: str, values: Sequence[Any]) -> Comparison:
    """A checked comparison. Raises `InvalidField`."""
    name, key = field_of(places.field, field)
    kind = FIELDS[name]
    if op not in OPERATORS:
        raise InvalidField(f"{places.op}: there is no operator {op!r}", f"use {' '.join(OPERATORS)}")
    if op not in _ALLOWED[kind]:
        raise InvalidField(f"{places.op}: {name} cannot be compared by {op}", f"it takes {' '.join(_ALLOWED[kind])}")
    return Comparison(name, op, tuple(_checked(places.value, name, kind, value) for value in values), key)


def field_of(where: str, field: str, offered: Collection[str] = FIELDS) -> tuple[str, tuple[str, ...]]:
    """The field's name and the keys behind it. Raises `InvalidField` for one that there is not; offered: those that it
    may have been meant for.
    """
    if not re.fullmatch(FIELD_PATTERN, field):
        raise InvalidField(f"{where}: {field!r} is no name of a field", f"known: {', '.join(FIELDS)}")
    name, *key = (unquoted(part) for part in _PARTS.findall(field))
    if name not in FIELDS:
        raise InvalidField(f"{where}: no field is called {name!r}", did_you_mean(name, offered))
    if key and name != "metadata":
        raise InvalidField(f"{where}: {name} has no parts", f"write {name}, or metadata.{'.'.join(key)}")
    if name == "metadata" and not key:
        raise InvalidField(f"{where}: metadata needs a key", "write metadata.KEY, or metadata.KEY.KEY for a nested one")
    return name, tuple(key)


def field_text(name: str, key: Sequence[str]) -> str:
    """Inverse of `field_of`."""
    return ".".join([name, *(part if re.fullmatch(r"[\w-]+", part) else quoted(part) for part in key)])


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquoted(text: str) -> str:
    """A backslash stands for itself, but before a quote or another one: paths of Windows may be written as they are."""
    return re.sub(r"\\([\\\"'])", r"\1", text[1:-1]) if text[:1] in "\"'" else text


def _checked(where: str, name: str, kind: FieldKind, value: Any) -> Value:
    if not isinstance(value, str | int | float):
        raise InvalidField(f"{where}: {name} cannot be compared with {value!r}", "give a text, a number, true or false")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "number":
        return _number(where, name, text)
    if kind == "flag":
        if text.lower() not in _BOOLEANS:
            raise InvalidField(f"{where}: {name} is true or false, not {text!r}", f"write {name} = true")
        return _BOOLEANS[text.lower()]
    if kind == "time":
        try:
            span_of(text, local=name == "taken_at")
        except ValueError as error:
            hint = "write 2019, 2019-06, 2019-06-30 or 2019-06-30T12:00:00"
            raise InvalidField(f"{where}: {name} is a time, not {text!r}", hint) from error
    return text


def _number(where: str, name: str, text: str) -> int | float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or "_" in text:
        raise InvalidField(f"{where}: {name} is a number, not {text!r}", f"write {name} >= 100")
    return int(number) if number.is_integer() and abs(number) < 2**53 else number

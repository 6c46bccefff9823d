"""Filters as JSON: ``{"and": [{"field": "width", "op": ">=", "value": 1920}, {"not": {...}}]}``."""

from __future__ import annotations

from typing import Any

from storage.errors import InvalidField, did_you_mean
from storage.filters.fields import Places, comparison, field_text
from storage.filters.limits import MOST_DEPTH, check_size
from storage.types.filters import AllOf, AnyOf, Comparison, Filter, Not

_COMPARISON = ("field", "op", "value")
_HINT = 'send {"field": "width", "op": ">=", "value": 1920}, or {"and": [...]}, {"or": [...]}, {"not": {...}}'


def filter_from_json(value: Any) -> Filter:
    """Raises `InvalidField`, which says where, as in ``filter.and[0]``."""
    return check_size(_filter("filter", value, 1))


def filter_json(filter: Filter) -> dict[str, Any]:
    """JSON that `filter_from_json` turns into an equal filter."""
    match filter:
        case Not(part):
            return {"not": filter_json(part)}
        case AllOf(parts):
            return {"and": [filter_json(part) for part in parts]}
        case AnyOf(parts):
            return {"or": [filter_json(part) for part in parts]}
        case Comparison():
            shown: dict[str, Any] = {"field": field_text(filter.field, filter.key), "op": filter.op}
            if filter.op != "exists":
                shown["value"] = list(filter.values) if filter.op == "in" else filter.values[0]
            return shown


def _filter(where: str, value: Any, depth: int) -> Filter:
    if depth > MOST_DEPTH:
        raise InvalidField(f"filter: it has more than {MOST_DEPTH} levels", "ask for less at a time")
    if not isinstance(value, dict):
        raise InvalidField(f"{where}: an object is wanted", _HINT)
    if "field" in value or "op" in value:
        return _comparison(where, value)
    if len(value) != 1:
        raise InvalidField(f"{where}: one of and, or, not is wanted, or field, op and value", _HINT)
    [(name, inner)] = value.items()
    if name == "not":
        return Not(_filter(f"{where}.not", inner, depth + 1))
    if name not in ("and", "or"):
        raise InvalidField(f"{where}: unknown field {name!r}", did_you_mean(name, ("and", "or", "not", *_COMPARISON)))
    if not isinstance(inner, list) or not inner:
        raise InvalidField(f"{where}.{name}: a list of at least one filter is wanted", _HINT)
    parts = tuple(_filter(f"{where}.{name}[{place}]", part, depth + 1) for place, part in enumerate(inner))
    if len(parts) == 1:
        return parts[0]
    return AllOf(parts) if name == "and" else AnyOf(parts)


def _comparison(where: str, value: dict[str, Any]) -> Comparison:
    for name in value:
        if name not in _COMPARISON:
            raise InvalidField(f"{where}: unknown field {name!r}", did_you_mean(name, _COMPARISON))
    field, op, compared = value.get("field"), value.get("op"), value.get("value")
    if not isinstance(field, str) or not isinstance(op, str):
        raise InvalidField(f"{where}: field and op are texts", _HINT)
    places = Places(f"{where}.field", f"{where}.op", f"{where}.value")
    if op == "exists":
        if compared is False:
            raise InvalidField(f"{where}: exists takes no value", 'write {"not": {"field": ..., "op": "exists"}}')
        return comparison(places, field, op, [])
    if op == "in" and not isinstance(compared, list):
        raise InvalidField(f"{where}.value: in takes a list", 'write {"field": "format", "op": "in", "value": ["png"]}')
    return comparison(places, field, op, compared if op == "in" and isinstance(compared, list) else [compared])

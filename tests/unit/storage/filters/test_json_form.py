"""Filters as JSON."""

from __future__ import annotations

from typing import Any

import pytest

from storage.errors import InvalidField
from storage.filters.json_form import filter_from_json
from storage.types.filters import AllOf, Comparison, Not

WIDE = {"field": "width", "op": ">=", "value": 1920}


def test_json_is_read_as_it_is_meant() -> None:
    assert filter_from_json({"and": [WIDE]}) == Comparison("width", ">=", (1920,))
    assert filter_from_json({"and": [WIDE, {"not": {"field": "gps", "op": "exists"}}]}) == AllOf(
        (Comparison("width", ">=", (1920,)), Not(Comparison("gps", "exists")))
    )
    assert filter_from_json({"field": "metadata.stars", "op": "in", "value": [4, True]}) == Comparison(
        "metadata", "in", ("4", "true"), ("stars",)
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "filter: an object is wanted"),
        ({}, "filter: one of and, or, not"),
        ({"and": []}, "filter.and: a list of at least one"),
        ({"and": [WIDE, {"nto": WIDE}]}, "filter.and[1]: unknown field 'nto' (did you mean 'not'?)"),
        ({"or": [{**WIDE, "field": "widht"}]}, "filter.or[0].field: no field is called 'widht'"),
        ({"not": {**WIDE, "op": "=="}}, "filter.not.op: there is no operator '=='"),
        ({**WIDE, "value": [1]}, "filter.value: width cannot be compared with [1]"),
        ({"field": "width", "op": ">="}, "filter.value: width cannot be compared with None"),
        ({**WIDE, "op": "in"}, "filter.value: in takes a list"),
        ({**WIDE, "values": 3}, "filter: unknown field 'values' (did you mean 'value'?)"),
        ({**WIDE, "op": "exists", "value": False}, "filter: exists takes no value"),
    ],
)
def test_an_error_says_where(value: Any, message: str) -> None:
    with pytest.raises(InvalidField) as refused:
        filter_from_json(value)
    assert message in str(refused.value)


def test_deep_json_is_refused() -> None:
    value: Any = WIDE
    for _ in range(900):
        value = {"not": value}
    with pytest.raises(InvalidField, match="levels"):
        filter_from_json(value)

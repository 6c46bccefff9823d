"""Filters as text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings

from storage.errors import InvalidField
from storage.filters.json_form import filter_from_json, filter_json
from storage.filters.text_form import filter_text, parse_filter
from storage.types.filters import AllOf, AnyOf, Comparison, Filter, Not
from tests.unit.storage.filters.made_up import filters

FOLDER = Comparison("folder", "=", ("2019",))
WIDE = Comparison("width", ">=", (1920,))
NIGHT = Comparison("tags", "=", ("night",))


@pytest.mark.parametrize(
    ("text", "filter"),
    [
        ('folder = "2019" and width >= 1920 and not tags = "night"', AllOf((FOLDER, WIDE, Not(NIGHT)))),
        ("folder=2019 or width>=1920 and tags='night'", AnyOf((FOLDER, AllOf((WIDE, NIGHT))))),
        ("(folder = 2019 OR width >= 1920) AND tags = night", AllOf((AnyOf((FOLDER, WIDE)), NIGHT))),
        ("not not tags = night", Not(Not(NIGHT))),
        ("format in [jpeg, 'p ng']", Comparison("format", "in", ("jpeg", "p ng"))),
        ("format not in []", Not(Comparison("format", "in"))),
        ("gps exists", Comparison("gps", "exists")),
        ("missing = True", Comparison("missing", "=", (True,))),
        ("metadata.a.\"b.c\" ~ 5", Comparison("metadata", "~", ("5",), ("a", "b.c"))),
        ("id = and", Comparison("id", "=", ("and",))),
        (r'path = "C:\photos\say \"a\""', Comparison("path", "=", ('C:\\photos\\say "a"',))),
        ("bytes > 1e3", Comparison("bytes", ">", (1000,))),
        ("taken_at = 2019-06", Comparison("taken_at", "=", ("2019-06",))),
    ],
)  # fmt: skip
def test_text_is_read_as_it_is_meant(text: str, filter: Filter) -> None:
    assert parse_filter(text) == filter


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("widht > 3", "column 1: no field is called 'widht' (did you mean 'width'?)"),
        ("id = x and  widht > 3", "column 13: no field"),
        ("width 3", 'column 7: there is \'3\'; expected is "not", an operator, "in" or "exists"'),
        ("width >=", "column 9: it ends here; expected is a value"),
        ("(width >= 3", 'column 12: it ends here; expected is ")"'),
        ("width >= 3)", "column 11: there is ')'; expected is its end"),
        ("path = 'ab", "column 8: there is a quote that is not closed"),
        ("width = 3 & height = 4", 'column 11: there is \'&\'; expected is "and", "or" or its end'),
        ("height = 1 or width = wide", "column 23: width is a number, not 'wide'"),
        ("width = nan", "column 9: width is a number"),
        ("taken_at = 2019-13", "column 12: taken_at is a time, not '2019-13'"),
        ("missing = maybe", "column 11: missing is true or false"),
        ("gps = 3", "column 5: gps cannot be compared by = (it takes exists)"),
        ("bytes ~ 3", "column 7: bytes cannot be compared by ~"),
        ("metadata = 3", "column 1: metadata needs a key"),
        ("width.x = 3", "column 1: width has no parts"),
        (" ", "it is empty"),
    ],
)
def test_an_error_says_where_and_what_to_write(text: str, message: str) -> None:
    with pytest.raises(InvalidField) as refused:
        parse_filter(text)
    assert str(refused.value).startswith("filter")
    assert message in str(refused.value)
    assert refused.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "not " * 4000 + "width = 1",
        "(" * 9990,
        " or ".join(["width = 1"] * 101),
        f"id in [{','.join(['x'] * 1001)}]",
        "x" * 30_000,
    ],
)
def test_one_that_is_too_large_is_refused_at_once(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(InvalidField):
        parse_filter(text)
    assert time.perf_counter() - started < 5


@settings(max_examples=200, deadline=None)
@given(filters())
def test_text_and_json_give_the_same_filter_back(filter: Filter) -> None:
    assert parse_filter(filter_text(filter)) == filter
    assert filter_from_json(filter_json(filter)) == filter

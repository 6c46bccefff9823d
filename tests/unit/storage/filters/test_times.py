"""Times of filters: how long is what somebody wrote."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from storage.filters.times import local_microseconds, span_of


def us(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 10**6  # type: ignore[misc,arg-type]  # no zone among them


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("2019", us(2019, 1, 1), us(2020, 1, 1)),
        ("2019-12", us(2019, 12, 1), us(2020, 1, 1)),
        ("2020-02", us(2020, 2, 1), us(2020, 3, 1)),
        ("2019-06-30", us(2019, 6, 30), us(2019, 7, 1)),
        ("2019-06-30T23", us(2019, 6, 30, 23), us(2019, 7, 1)),
        ("2019-06-30 12:59", us(2019, 6, 30, 12, 59), us(2019, 6, 30, 13)),
        ("2019-06-30T12:00:00", us(2019, 6, 30, 12), us(2019, 6, 30, 12, 0, 1)),
        ("2019-06-30T12:00:00.25", us(2019, 6, 30, 12) + 250_000, us(2019, 6, 30, 12) + 260_000),
    ],
)
def test_a_time_is_as_long_as_it_is_written(text: str, begin: int, end: int) -> None:
    assert span_of(text, local=True) == span_of(text, local=False) == (begin, end)


def test_a_zone_counts_only_where_times_are_not_local() -> None:
    text = "2019-06-30T12:00:00+02:00"
    assert span_of(text, local=True)[0] == us(2019, 6, 30, 12)
    assert span_of(text, local=False)[0] == us(2019, 6, 30, 10)
    assert local_microseconds(text) == us(2019, 6, 30, 12)


@pytest.mark.parametrize("text", ["9999", "9999-12", "9999-12-31", "0001-01-01T00:00:00+14:00"])
def test_the_ends_of_all_time_are_times(text: str) -> None:
    begin, end = span_of(text, local=False)
    assert begin < end


@pytest.mark.parametrize("text", ["", "19", "2019-13", "2019-02-30", "2019-6", "yesterday", "0000", "2019-06-30T25"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|range|month|day|hour|year"):
        span_of(text, local=True)


def test_what_is_no_time_is_not_a_number() -> None:
    assert math.isnan(local_microseconds(None))
    assert math.isnan(local_microseconds("soon"))

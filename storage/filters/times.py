"""Times of filters: ISO 8601, as exact as somebody writes them. ``2019-06`` is that whole month."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_TIME = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)([T ](?P<hour>\d\d)(:(?P<minute>\d\d)"
    r"(:(?P<second>\d\d)(\.(?P<fraction>\d{1,6}))?)?)?)?)?)?(?P<zone>Z|[+-]\d\d:?\d\d)?"
)
_UNITS = ("month", "day", "hour", "minute", "second")
_LENGTHS = {
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "second": timedelta(seconds=1),
}
EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)


def span_of(text: str, *, local: bool) -> tuple[int, int]:
    """Where the time begins, and where the next one as exact begins, in microseconds since 1970.

    local: by the clock of the place, whatever the zone; otherwise in UTC, which is meant where no zone is given.
    Raises ValueError for what is no time.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no time")
    parts = [found[unit] for unit in _UNITS]
    numbers = [int(part) for part in parts if part is not None]
    begin = datetime(int(found["year"]), *(numbers + [1, 1][len(numbers) :]))  # type: ignore[arg-type]  # no zone among them
    fraction = found["fraction"] or ""
    begin += int(fraction.ljust(6, "0")) * MICROSECOND
    zone = found["zone"]
    shift = timedelta() if local or zone is None else datetime.fromisoformat(f"2000-01-01T00:00{zone}").utcoffset()
    try:
        end = begin + 10 ** (6 - len(fraction)) * MICROSECOND if fraction else _next(begin, len(numbers))
    except OverflowError:  # behind it there are no years
        end = datetime.max
    begin_us, end_us = ((moment - EPOCH - (shift or timedelta())) // MICROSECOND for moment in (begin, end))
    return begin_us, end_us


def _next(begin: datetime, given: int) -> datetime:
    """given: how many units below the year were written."""
    if given == 0:
        return begin.replace(year=begin.year + 1) if begin.year < datetime.max.year else datetime.max
    if given == 1:
        later = begin + timedelta(days=31)
        return later.replace(day=1)
    return begin + _LENGTHS[_UNITS[given - 1]]


def local_microseconds(text: str | None) -> float:
    """Of an ISO time by the clock of its place; not a number where there is none, or it is no time."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return float("nan")
    return (moment.replace(tzinfo=None) - EPOCH) // MICROSECOND

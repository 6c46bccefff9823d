from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from lookalike_client.failures import Retries

LONG_S = 3600.0
PAST = "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.mark.parametrize("retry_after", [None, "", "soon", "-5", "nan", PAST, "1 Jan 2030 00:00"])
def test_the_pauses_double_where_nothing_longer_is_asked_for(retry_after: str | None) -> None:
    for failed in range(4):
        pause_s = Retries(4).pause_s(failed, retry_after, LONG_S)
        assert pause_s is not None
        assert 0.5 <= pause_s / (0.25 * 2**failed) <= 1


def test_no_pause_is_longer_than_the_longest_unless_it_is_asked_for() -> None:
    assert 2.5 <= (Retries(99).pause_s(50, None, LONG_S) or 0) <= 5
    assert 62.5 <= (Retries(99).pause_s(50, "60", LONG_S) or 0) <= 65


def test_the_time_to_come_back_at_may_be_given() -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(minutes=1), usegmt=True)
    assert 55 < (Retries(1).pause_s(0, in_a_minute, LONG_S) or 0) < 61


def test_nothing_is_tried_after_the_last_retry_or_the_deadline() -> None:
    assert Retries(2).pause_s(2, None, LONG_S) is None
    assert Retries(2).pause_s(0, None, 0.1) is None
    assert Retries(2).pause_s(0, "10", 9) is None
    assert Retries(2).pause_s(0, "inf", LONG_S) is None

"""When a request is made again: which failures may pass, and how long to wait for that."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from lookalike_client import failures
from lookalike_client.calls import Call
from lookalike_client.errors import ExtractorUnavailable, FingerprintMismatch, Unavailable

Outcome = httpx.Response | httpx.HTTPError

PASSING_STATUSES = frozenset({429, 502, 503, 504})
LASTING_ERRORS = (ExtractorUnavailable, FingerprintMismatch)  # 503, too, until somebody sets the service up otherwise
NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
OUR_OWN_FAULTS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


def may_pass(call: Call[Any], outcome: Outcome) -> bool:
    """Whether the same request may be answered otherwise in a while, and may be sent again."""
    if isinstance(outcome, httpx.HTTPError):
        passing = isinstance(outcome, httpx.TransportError) and not isinstance(outcome, OUR_OWN_FAULTS)
        return passing and (call.repeatable or isinstance(outcome, NOTHING_SENT))
    if not call.repeatable or outcome.is_success or outcome.status_code in call.expected:
        return False
    error = failures.from_answer(outcome)
    is_passing = outcome.status_code in PASSING_STATUSES or isinstance(error, Unavailable)
    return is_passing and not isinstance(error, LASTING_ERRORS)


@dataclass(frozen=True, slots=True)
class Retries:
    """most: attempts after the first. The pauses before them double, up to ``longest_backoff_s``, and vary, so that
    clients that failed together do not come back together.
    """

    most: int
    backoff_s: float = 0.25
    longest_backoff_s: float = 5.0

    def pause_s(self, failed: int, retry_after: str | None, left_s: float) -> float | None:
        """Seconds to wait after ``failed`` attempts and one more, or None to give up. retry_after: the header, which is
        added to. left_s: until the deadline.
        """
        backoff_s = min(self.longest_backoff_s, self.backoff_s * 2**failed) * random.uniform(0.5, 1.0)
        pause_s = backoff_s + _seconds(retry_after)
        return pause_s if failed < self.most and pause_s < left_s else None


def _seconds(retry_after: str | None) -> float:
    """What the header asks for, as a number or a time; 0 where that is nothing, or not to be understood."""
    try:
        return max(0.0, float(retry_after or 0))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(str(retry_after)) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # TypeError: a time without a zone
        return 0.0

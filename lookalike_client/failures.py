"""Failed answers and broken connections: as errors of `lookalike_client.errors`; and which of them may pass, so that
the request is made again, and how long to wait for that.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from lookalike_client.calls import Call
from lookalike_client.errors import (
    BodyTooLarge,
    Busy,
    DeadlineExceeded,
    ExtractorUnavailable,
    FingerprintMismatch,
    ImageExists,
    InvalidRequest,
    LookalikeError,
    NotFound,
    ServiceUnreachable,
    Unauthorized,
    Unavailable,
    errors_by_code,
)

# For answers that carry no code of ours: those of a proxy in between, or of the HTTP server itself.
ERRORS_BY_STATUS: dict[int, type[LookalikeError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    409: ImageExists,
    413: BodyTooLarge,
    415: InvalidRequest,
    422: InvalidRequest,
    429: Busy,
    502: Unavailable,
    503: Unavailable,
    504: DeadlineExceeded,
}

Outcome = httpx.Response | httpx.HTTPError

PASSING_STATUSES = frozenset({429, 502, 503, 504})
LASTING_ERRORS = (ExtractorUnavailable, FingerprintMismatch)  # 503, too, until somebody sets the service up otherwise
NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
OUR_OWN_FAULTS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


def from_answer(response: httpx.Response) -> LookalikeError:
    """The error that the service raised, with ``status`` and ``request_id`` set."""
    body = _error_body(response)
    kind = errors_by_code().get(str(body.get("code"))) or ERRORS_BY_STATUS.get(response.status_code, LookalikeError)
    if kind is NotFound and not body:  # of a proxy, while the service comes back: it says nothing of what is stored
        kind = Unavailable
    request_id = body.get("request_id") or response.headers.get("x-request-id")
    message = body.get("message") or f"{response.request.url} answered {response.status_code} {response.reason_phrase}"
    hint = body.get("hint") or ""
    if not hint and request_id and response.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
        hint = f"look for request {request_id} in the service's log"
    error = kind(str(message), str(hint), str(body.get("shell_hint") or ""))
    error.status = response.status_code
    error.request_id = None if request_id is None else str(request_id)
    return error


def _error_body(response: httpx.Response) -> dict[str, Any]:
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}


def from_transport(base_url: str, timeout_s: float, error: httpx.HTTPError) -> LookalikeError:
    """The error for a request that got no answer."""
    slow = isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout)
    if slow:
        return DeadlineExceeded(f"{base_url} did not answer within {timeout_s:g} s", "try again, or allow more time")
    reason = str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return ServiceUnreachable(
            f"the certificate of {base_url} is not trusted here ({reason})",
            "name the file with the certificate of its CA in SSL_CERT_FILE, and an address that the certificate has",
        )
    return ServiceUnreachable(
        f"no answer from {base_url} ({reason})", "start the service with `lookalike serve`, or give its right address"
    )


def from_strange_answer(response: httpx.Response, reason: Exception) -> LookalikeError:
    """The error for an answer that is not what Lookalike would say: most often another program has the port."""
    error = LookalikeError(
        f"{response.request.url} answered something unexpected ({type(reason).__name__}: {reason})",
        "check that a Lookalike service of this version has that address",
    )
    error.status = response.status_code
    return error


def may_pass(call: Call[Any], outcome: Outcome) -> bool:
    """Whether the same request may be answered otherwise in a while, and may be sent again."""
    if isinstance(outcome, httpx.HTTPError):
        passing = isinstance(outcome, httpx.TransportError) and not isinstance(outcome, OUR_OWN_FAULTS)
        return passing and (call.repeatable or isinstance(outcome, NOTHING_SENT))
    if not call.repeatable or outcome.is_success or outcome.status_code in call.expected:
        return False
    error = from_answer(outcome)
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

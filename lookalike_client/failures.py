"""Failed answers and broken connections to errors of `lookalike_client.errors`."""

from __future__ import annotations

from typing import Any

import httpx

from lookalike_client.errors import (
    BodyTooLarge,
    Busy,
    DeadlineExceeded,
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

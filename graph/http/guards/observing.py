"""The outermost middleware: request ids, metrics, and every error turned into an answer."""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import Protocol

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph.http.guards.rights import CALLER
from graph.http.replies.errors import REQUEST_ID, ErrorAnswers, error_response, path_of, status_of
from lookalike_client.loopback import is_loopback
from storage.errors import Busy

log = logging.getLogger("lookalike.http")

REFUSALS = frozenset({401, 403, 429})
CLIENT_GONE = 499  # what nginx calls it; appears in metrics only
ALWAYS_SENT = ((b"x-content-type-options", b"nosniff"), (b"cross-origin-resource-policy", b"same-origin"))
USABLE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class RequestMetrics(Protocol):
    """Where the figures of finished requests go."""

    def observe(self, route: str, status: int, seconds: float, body_bytes: int) -> None:
        """route: ``"GET /v1/images/{id}"`` or ``"unmatched"``. status: 499 where the client went away."""


class Observing:
    """sends_request_id: False under a server that adds ``X-Request-ID`` to answers itself, as Ray Serve does.
    error_answers: paths whose errors have another shape.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: RequestMetrics,
        sends_request_id: bool = True,
        error_answers: ErrorAnswers | None = None,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._sends_request_id = sends_request_id
        self._error_answers = error_answers or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        scope[REQUEST_ID] = request_id = _request_id(scope)
        extra = [*ALWAYS_SENT, (b"x-request-id", request_id.encode())] if self._sends_request_id else [*ALWAYS_SENT]
        status, body_bytes = CLIENT_GONE, 0

        async def counted_receive() -> Message:
            nonlocal body_bytes
            message = await receive()
            body_bytes += len(message.get("body", b""))
            return message

        async def labelled_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *extra]
            await send(message)

        try:
            await self._app(scope, counted_receive, labelled_send)
        except ClientDisconnect:
            log.debug("request %s: the client went away", request_id)
        except Exception as error:
            _report(error, request_id, scope)
            if status != CLIENT_GONE:  # half an answer is out: only closing the connection can say that it is not whole
                raise
            answer = self._error_answers.get(path_of(scope), error_response)
            await answer(scope, error)(scope, receive, labelled_send)
        finally:
            self._metrics.observe(_route(scope), status, time.perf_counter() - started, body_bytes)


def _report(error: Exception, request_id: str, scope: Scope) -> None:
    status = status_of(error)
    if status == 500:
        log.error("request %s failed", request_id, exc_info=error)
    elif status > 500 and not isinstance(error, Busy):  # a flood of requests is no flood of the log
        log.warning("request %s: %s: %s", request_id, type(error).__name__, error)
    elif status in REFUSALS:
        told = (request_id, status, scope[CALLER].name, scope["method"], scope["path"], address_of(scope), error)
        log.warning("request %s refused: %d, %s, %s %r from %s: %s", *told)


def address_of(scope: Scope) -> str:
    """Of the client: what HAProxy says, which stands last and on this machine, where it came by that."""
    peer = scope["client"][0] if scope.get("client") else "an unknown address"
    forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    if not forwarded or not is_loopback(peer):
        return str(peer)
    return repr(forwarded[-1].rpartition(b",")[2].strip().decode("latin-1"))[1:-1]


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and USABLE_ID.fullmatch(value):
            return str(value, "ascii")
    return uuid.uuid4().hex


def _route(scope: Scope) -> str:
    path = getattr(scope.get("route"), "path_format", None)
    return f"{scope['method']} {path}" if path else "unmatched"

"""How much at once, how large and how long: admission, the body's size and pace, and the deadline of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph.config.settings import Limits
from storage.errors import BodyTooLarge, Busy, DeadlineExceeded, InvalidRequest, LookalikeError

PACE = "lookalike.pace"  # key of a request's `Pace` in an ASGI scope


class Admission:
    """Places for requests: so many are worked on, so many wait in order, the rest are refused."""

    def __init__(self, max_concurrent: int, max_queued: int) -> None:
        self._places = asyncio.Semaphore(max_concurrent)
        self._max_queued = max_queued
        self.active = 0
        self.queued = 0
        self.paces: set[Pace] = set()  # of the active ones

    @property
    def uploads(self) -> int:
        """Requests whose bodies are coming in."""
        return sum(pace.stage == "body" for pace in self.paces)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Raises Busy when the queue is full."""
        if self._places.locked() and self.queued >= self._max_queued:
            raise Busy(f"{self.queued} requests are waiting already", "try again in a second")
        self.queued += 1
        try:
            await self._places.acquire()  # at once, where there is one
        finally:
            self.queued -= 1
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1
            self._places.release()


class Pace:
    """The body of one request as it comes in: its size is counted, and the request's time moves along with it."""

    def __init__(self, receive: Receive, clock: asyncio.Timeout, limits: Limits) -> None:
        self._receive = receive
        self._clock = clock
        self._limits = limits
        self._size = 0
        self._last_moment = 0.0
        self.stage: Literal["queued", "body", "answer"] = "queued"

    def admitted(self, has_body: bool) -> None:
        now = asyncio.get_running_loop().time()
        self._last_moment = now + self._limits.body_timeout_s
        self.stage = "body" if has_body else "answer"
        self._until(now + (self._limits.body_idle_timeout_s if has_body else self._limits.request_timeout_s))

    async def receive(self) -> Message:
        """Raises BodyTooLarge; nothing more is read then."""
        message = await self._receive()
        if self.stage != "body" or message["type"] != "http.request":
            return message
        self._size += len(message.get("body", b""))
        if self._size > self._limits.max_body_bytes:
            raise too_large(self._limits.max_body_bytes)
        now = asyncio.get_running_loop().time()
        if message.get("more_body", False):
            self._until(min(self._last_moment, now + self._limits.body_idle_timeout_s))
        else:
            self.stage = "answer"
            self._until(now + self._limits.request_timeout_s)
        return message

    def allow(self, seconds: float) -> None:
        """Gives the answer this long from now."""
        self.stage = "answer"
        self._until(asyncio.get_running_loop().time() + seconds)

    def _until(self, moment: float) -> None:
        if not self._clock.expired():  # else the request is being cancelled already
            self._clock.reschedule(moment)

    def too_late(self) -> LookalikeError:
        if self.stage == "queued":
            return Busy("the request waited too long for its turn", "try again in a second")
        if self.stage == "body":
            return InvalidRequest("the request body did not arrive in time", "send it faster, or in one piece")
        return DeadlineExceeded("the answer took too long", "try again, or raise request_timeout_s")


class Limiting:
    """exempt_paths are answered however busy the service is."""

    def __init__(self, app: ASGIApp, *, limits: Limits, admission: Admission, exempt_paths: Collection[str]) -> None:
        self._app = app
        self._limits = limits
        self._admission = admission
        self._exempt_paths = frozenset(exempt_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].removeprefix(scope.get("root_path", "")) in self._exempt_paths:
            await self._app(scope, receive, send)
            return
        has_body = self._announces_body(scope)
        clock = asyncio.timeout(self._limits.request_timeout_s)
        scope[PACE] = pace = Pace(receive, clock, self._limits)
        try:
            async with clock, self._admission.place():
                pace.admitted(has_body)
                self._admission.paces.add(pace)
                try:
                    await self._app(scope, pace.receive, send)
                finally:
                    self._admission.paces.discard(pace)
        except TimeoutError as late:
            if isinstance(late, LookalikeError):
                raise
            raise pace.too_late() from late

    def _announces_body(self, scope: Scope) -> bool:
        """Raises BodyTooLarge or InvalidRequest before anything is read."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        length = headers.get(b"content-length")
        if length is None:
            return b"transfer-encoding" in headers
        if not length.isdigit():
            raise InvalidRequest(f"Content-Length is {length.decode('latin-1')!r}", "send the number of bytes")
        if int(length) > self._limits.max_body_bytes:
            raise too_large(self._limits.max_body_bytes)
        return int(length) > 0


def too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"the request body is over the limit of {limit} bytes", "send a smaller picture, or raise max_body_bytes"
    )

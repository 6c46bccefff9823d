"""How much at once, how large and how long: places, the bodies' size and pace, and the deadline of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph.config.settings import Limits
from graph.http.guards.admission import KINDS, Lane, Place, kind_of
from storage.errors import BodyTooLarge, Busy, DeadlineExceeded, InvalidRequest, LookalikeError

STANDS_STILL_S = 1.0  # without a byte of its body
PACE = "lookalike.pace"  # key of a request's `Pace` in an ASGI scope


class Admission:
    """Who is worked on, and how much of their bodies the router holds."""

    def __init__(self, limits: Limits) -> None:
        self._most_bytes = max(limits.max_upload_bytes_in_flight, limits.max_body_bytes)
        most, queue, wait_s = limits.max_concurrent_requests, limits.max_queued_requests, limits.queue_timeout_s
        self.lanes = {kind: Lane(most, queue, wait_s) for kind in KINDS}
        self.paces: set[Pace] = set()
        self._body_bytes = 0

    @property
    def active(self) -> int:
        return sum(lane.active for lane in self.lanes.values())

    @property
    def queued(self) -> int:
        return sum(lane.queued for lane in self.lanes.values())

    @property
    def uploads(self) -> int:
        """Requests whose bodies are coming in."""
        return sum(pace.stage == "body" for pace in self.paces)

    def hold(self, size: int) -> None:
        """Raises Busy where there is no room for so many bytes more; whose body stands still makes room first."""
        now = asyncio.get_running_loop().time()
        room = self._most_bytes - self._body_bytes - size
        for pace in sorted(self.paces, key=lambda pace: pace.last_part_at):
            if room >= 0:
                break
            if pace.stage == "body" and now - pace.last_part_at > STANDS_STILL_S:
                room += pace.size
                pace.cut()
        if room < 0:
            raise Busy("the uploads under way fill the room for them", "try again in a second")
        self._body_bytes += size

    def let_go(self, size: int) -> None:
        self._body_bytes -= size


class Pace:
    """One request on its way: its body is counted as it comes in, then it takes a place, and its time moves along."""

    def __init__(
        self, receive: Receive, clock: asyncio.Timeout, limits: Limits, admission: Admission, lane: Lane
    ) -> None:
        self._receive = receive
        self._clock = clock
        self._limits = limits
        self._admission = admission
        self._lane = lane
        self._place: Place | None = None
        self._last_moment = 0.0
        self.size = 0
        self.last_part_at = 0.0
        self.stage: Literal["body", "cut", "queued", "answer"] = "body"

    def wait_for_body(self) -> None:
        self.last_part_at = asyncio.get_running_loop().time()
        self._last_moment = self.last_part_at + self._limits.body_timeout_s
        self._until(self.last_part_at + self._limits.body_idle_timeout_s)

    async def receive(self) -> Message:
        """Takes a place once the body is whole. Raises BodyTooLarge or Busy; nothing more is read then."""
        message = await self._receive()
        if self.stage != "body" or message["type"] != "http.request":
            return message
        self._count(len(message.get("body", b"")))
        if message.get("more_body", False):
            self.last_part_at = asyncio.get_running_loop().time()
            self._until(min(self._last_moment, self.last_part_at + self._limits.body_idle_timeout_s))
        else:
            await self.take_place()
        return message

    def _count(self, size: int) -> None:
        if self.size + size > self._limits.max_body_bytes:
            raise too_large(self._limits.max_body_bytes)
        self._admission.hold(size)
        self.size += size

    async def take_place(self) -> None:
        """Raises Busy."""
        self.stage = "queued"
        self._clock.reschedule(None)  # the lane bounds this wait
        self._place = await self._lane.enter()
        self.allow(self._limits.request_timeout_s)

    def allow(self, seconds: float) -> None:
        """Gives the answer this long from now."""
        self.stage = "answer"
        self._until(asyncio.get_running_loop().time() + seconds)

    def allow_long(self, seconds: float) -> None:
        """Gives the answer this long, outside the lane, whose other requests do not wait for it."""
        self.allow(seconds)
        if self._place is not None:
            self._place.give_up()
            self._place = None

    def cut(self) -> None:
        self.stage = "cut"
        self._until(asyncio.get_running_loop().time())

    def end(self) -> None:
        self._admission.let_go(self.size)
        if self._place is not None:
            self._place.leave()

    def _until(self, moment: float) -> None:
        if not self._clock.expired():  # else the request is being cancelled already
            self._clock.reschedule(moment)

    def too_late(self) -> LookalikeError:
        if self.stage == "cut":
            return Busy("the request body stood still while others needed the room", "send it in one piece")
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
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or path in self._exempt_paths:
            await self._app(scope, receive, send)
            return
        has_body = self._announces_body(scope)
        lane = self._admission.lanes[kind_of(scope["method"], path)]
        lane.check()
        clock = asyncio.timeout(None)
        scope[PACE] = pace = Pace(receive, clock, self._limits, self._admission, lane)
        self._admission.paces.add(pace)
        try:
            async with clock:
                if has_body:
                    pace.wait_for_body()
                else:
                    await pace.take_place()
                await self._app(scope, pace.receive, send)
        except TimeoutError as late:
            if isinstance(late, LookalikeError):
                raise
            raise pace.too_late() from late
        finally:
            self._admission.paces.discard(pace)
            pace.end()

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

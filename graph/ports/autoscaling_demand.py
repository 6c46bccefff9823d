"""Telling Serve's autoscaler how many callers an extractor has.

Serve counts the requests that a deployment is working on. Ours are gathered (`graph.ports.batching`), one request for
many callers, so a busy extractor would look idle. While an extractor that autoscales has more than a few callers,
requests that only wait for a second, and cost nothing, stand in for them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

FEW_CALLERS = 2
ROUND_S = 0.25
ROOM_KNOWN_FOR_S = 2.0  # finding it out costs as much as several searches


class DemandSignal:
    """attend: one stand-in request. room: how many of them the deployment can hold beside its work; 0 where it does
    not autoscale. Belongs to one event loop.
    """

    def __init__(self, attend: Callable[[], Awaitable[None]], room: Callable[[], Awaitable[int]]) -> None:
        self._attend = attend
        self._room = room
        self._callers = 0
        self._known_room = 0
        self._room_asked = -ROOM_KNOWN_FOR_S
        self._standing_in: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None

    @contextmanager
    def caller(self) -> Iterator[None]:
        """Counts a caller for the length of a block, from before its picture is decoded."""
        self._callers += 1
        if self._callers > FEW_CALLERS and (self._keeper is None or self._keeper.done()):
            self._keeper = asyncio.ensure_future(self._keep())
        try:
            yield
        finally:
            self._callers -= 1

    async def _keep(self) -> None:
        try:
            while self._callers > FEW_CALLERS:
                room = await self._room_now()
                for _ in range(min(self._callers, room) - len(self._standing_in)):
                    self._stand_in()
                await asyncio.sleep(ROUND_S)
        except Exception as failure:  # the extractor is restarting, say: the next caller starts anew
            logger.info("the demand cannot be told: %r", failure)

    async def _room_now(self) -> int:
        if time.monotonic() - self._room_asked > ROOM_KNOWN_FOR_S:
            self._known_room = await self._room()
            self._room_asked = time.monotonic()
        return self._known_room

    def _stand_in(self) -> None:
        task = asyncio.ensure_future(self._attend())
        self._standing_in.add(task)
        task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._standing_in.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.debug("a stand-in failed: %r", task.exception())

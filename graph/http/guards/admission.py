"""How many requests are worked on at once, who waits, and who is refused because it would wait too long.

Requests of one kind share a lane, so that a flood of one kind leaves the others alone. A lane refuses by time, not by
count: it knows how fast its queue moves, and says at once that a place would come too late.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Literal, get_args

from storage.errors import Busy

Kind = Literal["search", "write", "read"]
KINDS: tuple[Kind, ...] = get_args(Kind)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
ASKING = frozenset({"search", "compare", "tags", "caption", "reverse_search", "get_image_tags", "get_image_caption"})

FIRST_PLACES = 8
FEWEST_PLACES = 2
WORK_SHARE = 0.15  # of the time that a request may wait: what it may be worked on, while others wait
EXPECTED_SHARE = 0.75  # of that time: what a request may be expected to wait, since its turn may come later
NEWEST = 0.1  # how much a new measurement counts beside all before it
LESS = 0.95  # places, where work takes too long


def kind_of(method: str, path: str) -> Kind:
    """Searches and what asks models are dear, other reading is cheap, and the rest changes something."""
    last = path.rsplit("/", 1)[-1]
    if method in SAFE_METHODS:
        return "search" if last == "similar" else "read"
    return "search" if method == "POST" and (last in ASKING or "similar" in last) else "write"


@dataclass(slots=True)
class Lane:
    """most: places at once. max_queued: waiting requests. max_wait_s: nobody waits longer.

    places: those there are now. While requests wait, there are as many as keep the work on one within ``WORK_SHARE`` of
    ``max_wait_s``, or within twice what it takes while none waits: more would make each slower and none sooner.
    """

    most: int
    max_queued: int
    max_wait_s: float
    active: int = 0
    places: float = 0.0
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    _calm_s: float = 0.0  # the work on one, while none waits
    _crowded_s: float = 0.0  # the same while others wait
    _interval_s: float = 0.0  # between two that end while others wait
    _last_end: float | None = None  # while others wait

    def __post_init__(self) -> None:
        self.places = float(min(self.most, FIRST_PLACES))

    @property
    def queued(self) -> int:
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        return self.active < int(self.places) and not self._waiting

    def check(self) -> None:
        """Raises Busy where a request that comes now would wait too long."""
        if self.has_room:
            return
        expected_s = (len(self._waiting) + 1) * self._interval_s
        if expected_s > EXPECTED_SHARE * self.max_wait_s or len(self._waiting) >= self.max_queued:
            raise Busy(f"{len(self._waiting)} requests of this kind are waiting already", "try again in a second")

    async def enter(self) -> Place:
        """Raises Busy, at once or after ``max_wait_s``."""
        if self.has_room:
            self.active += 1
        else:
            self.check()
            await self._turn()
        return Place(self, asyncio.get_running_loop().time())

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self.max_wait_s):
                await turn
        except BaseException as failure:
            if turn.done() and not turn.cancelled():  # the place came at the moment at which it was given up
                self.free()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if isinstance(failure, TimeoutError):
                raise Busy("the request waited too long for its turn", "try again in a second") from failure
            raise

    def ended(self, since: float) -> None:
        """The work on one who took a place then."""
        now = asyncio.get_running_loop().time()
        if self._waiting:
            self._crowded_s = _smoothed(self._crowded_s, now - since)
            if self._last_end is not None:
                self._interval_s = _smoothed(self._interval_s, now - self._last_end)
            self._last_end = now
            self._fit_places()
        else:
            self._calm_s = _smoothed(self._calm_s, now - since)
            self._last_end = None
        self.free()

    def _fit_places(self) -> None:
        if self._crowded_s > max(WORK_SHARE * self.max_wait_s, 2 * self._calm_s):
            self.places = max(min(FEWEST_PLACES, self.most), self.places * LESS)
        else:
            self.places = min(self.most, self.places + 1 / self.places)

    def free(self) -> None:
        self.active -= 1
        while self._waiting and self.active < int(self.places):
            turn = self._waiting.popleft()
            if not turn.done():
                self.active += 1
                turn.set_result(None)


def _smoothed(before: float, new: float) -> float:
    return before + (new - before) * NEWEST if before else new


@dataclass(frozen=True, slots=True)
class Place:
    """Held by one request. since: of the event loop's clock."""

    lane: Lane
    since: float

    def leave(self) -> None:
        """The request was answered."""
        self.lane.ended(self.since)

    def give_up(self) -> None:
        """The request takes its time: the lane learns nothing from it."""
        self.lane.free()

"""Gathering: calls that are waiting at the same time travel as one.

A hop between processes costs about a millisecond of CPU whatever it carries, so under load one hop that carries ten
calls is worth ten hops. There is no timer: while no more than ``max_in_flight`` batches are under way a call leaves
at once, alone; later ones wait for the next to leave.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from storage.errors import Busy, DeadlineExceeded

A = TypeVar("A")
R = TypeVar("R")


async def all_of(calls: Sequence[Coroutine[Any, Any, A]]) -> list[A]:
    """`asyncio.gather`, without a task and a turn of the loop where there is only one call."""
    if len(calls) == 1:
        return [await calls[0]]
    return await asyncio.gather(*calls)


@dataclass(frozen=True, slots=True)
class _Call(Generic[A, R]):
    argument: A
    answer: asyncio.Future[R]


class Gatherer(Generic[A, R]):
    """Turns ``send_many(arguments) -> answers`` into single calls. Belongs to one event loop.

    An answer that is an exception fails its own call only. An exception of the batch fails every call in it.
    """

    def __init__(
        self,
        send_many: Callable[[Sequence[A]], Awaitable[Sequence[R | BaseException]]],
        *,
        max_batch: int,
        max_in_flight: int = 1,
        max_waiting: int = 1024,
    ) -> None:
        self._send_many = send_many
        self._max_batch = max_batch
        self.max_in_flight = max_in_flight
        self._max_waiting = max_waiting
        self._waiting: deque[_Call[A, R]] = deque()
        self._in_flight: set[asyncio.Task[None]] = set()

    async def call(self, argument: A, *, timeout_s: float) -> R:
        """Raises Busy when too many calls wait, DeadlineExceeded after ``timeout_s``, or what the call itself
        raised.
        """
        if len(self._waiting) >= self._max_waiting:
            raise Busy(f"{self._max_waiting} calls are waiting already", "try again in a second")
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Call(argument, answer))
        self._send_waiting()
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError as late:
            if isinstance(late, DeadlineExceeded):
                raise
            raise DeadlineExceeded(f"no answer within {timeout_s:g} s", "try again, or allow more time") from late

    def _send_waiting(self) -> None:
        while self._waiting and len(self._in_flight) < self.max_in_flight:
            batch: list[_Call[A, R]] = []
            while self._waiting and len(batch) < self._max_batch:
                call = self._waiting.popleft()
                if not call.answer.done():  # given up while it waited
                    batch.append(call)
            if batch:
                task = asyncio.ensure_future(self._send(batch))
                self._in_flight.add(task)
                task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._send_waiting()

    async def _send(self, batch: Sequence[_Call[A, R]]) -> None:
        try:
            answers = await self._send_many([call.argument for call in batch])
        except Exception as failure:
            answers = [failure] * len(batch)
        for call, answer in zip(batch, answers, strict=True):
            _settle(call.answer, answer)


def _settle(future: asyncio.Future[R], answer: R | BaseException) -> None:
    if future.done():
        return
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)

"""Serve's autoscaler sees the callers of an extractor, and only while there are more than a few."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

from graph.ports.autoscaling_demand import FEW_CALLERS, ROUND_S, DemandSignal


class Deployment:
    """Counts the requests that it holds; they end when it is told."""

    def __init__(self, room: int) -> None:
        self.holds = 0
        self._room = room
        self.asked = 0
        self.done = asyncio.Event()

    async def attend(self) -> None:
        self.holds += 1
        await self.done.wait()
        self.holds -= 1

    async def room(self) -> int:
        self.asked += 1
        return self._room


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_many_callers_are_stood_in_for_up_to_the_room_there_is() -> None:
    for callers, room, seen in ((10, 100, 10), (10, 4, 4), (10, 0, 0), (FEW_CALLERS, 100, 0)):
        deployment = Deployment(room)
        signal = DemandSignal(deployment.attend, deployment.room)
        with ExitStack() as stack:
            for _ in range(callers):
                stack.enter_context(signal.caller())
            await settled()
            assert deployment.holds == seen
        deployment.done.set()
        await settled()
        assert deployment.holds == 0


async def test_the_room_is_not_asked_for_again_at_once() -> None:
    deployment = Deployment(0)
    signal = DemandSignal(deployment.attend, deployment.room)
    with ExitStack() as stack:
        for _ in range(FEW_CALLERS + 1):
            stack.enter_context(signal.caller())
        await asyncio.sleep(2.5 * ROUND_S)
    assert deployment.asked == 1


async def test_a_deployment_that_does_not_answer_leaves_the_callers_alone() -> None:
    async def broken() -> int:
        raise RuntimeError("no replica")

    deployment = Deployment(0)
    signal = DemandSignal(deployment.attend, broken)
    with ExitStack() as stack:
        for _ in range(FEW_CALLERS + 3):
            stack.enter_context(signal.caller())
        await settled()
    assert deployment.holds == 0

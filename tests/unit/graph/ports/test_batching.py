"""Calls that wait at the same time travel together, and each gets its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from graph.ports.batching import Gatherer, all_of
from storage.errors import Busy, DeadlineExceeded, ShardUnavailable
from tests.unit.waiting import PATIENCE_S


class Line:
    """A ``send_many`` that answers when it is let."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()

    async def send(self, arguments: Sequence[int]) -> list[int | BaseException]:
        self.batches.append(list(arguments))
        await self.open.wait()
        return [argument * 10 if argument >= 0 else ShardUnavailable("down") for argument in arguments]


async def started(calls: Sequence[asyncio.Task[int]]) -> None:
    for _ in calls:
        await asyncio.sleep(0)


async def test_a_lone_call_leaves_at_once_and_those_behind_it_travel_together() -> None:
    line = Line()
    gatherer = Gatherer(line.send, max_batch=8)
    calls = [asyncio.create_task(gatherer.call(number, timeout_s=PATIENCE_S)) for number in range(4)]
    await started(calls)
    line.open.set()
    assert await asyncio.gather(*calls) == [0, 10, 20, 30]
    assert line.batches == [[0], [1, 2, 3]]


async def test_no_batch_is_larger_than_allowed() -> None:
    line = Line()
    gatherer = Gatherer(line.send, max_batch=2)
    calls = [asyncio.create_task(gatherer.call(number, timeout_s=PATIENCE_S)) for number in range(6)]
    await started(calls)
    line.open.set()
    await asyncio.gather(*calls)
    assert max(map(len, line.batches)) == 2
    assert sorted(number for batch in line.batches for number in batch) == list(range(6))


async def test_several_batches_are_under_way_at_once_when_allowed() -> None:
    line = Line()
    gatherer = Gatherer(line.send, max_batch=8, max_in_flight=3)
    calls = [asyncio.create_task(gatherer.call(number, timeout_s=PATIENCE_S)) for number in range(5)]
    await started(calls)
    assert line.batches == [[0], [1], [2]]
    line.open.set()
    await asyncio.gather(*calls)


async def test_a_call_that_fails_leaves_the_others_of_its_batch_alone() -> None:
    line = Line()
    line.open.set()
    gatherer = Gatherer(line.send, max_batch=8)
    answers = await asyncio.gather(
        *(gatherer.call(number, timeout_s=PATIENCE_S) for number in (1, -1, 2)), return_exceptions=True
    )
    assert answers[0] == 10
    assert isinstance(answers[1], ShardUnavailable)
    assert answers[2] == 20


async def test_a_batch_that_fails_fails_every_call_in_it_and_the_next_one_leaves() -> None:
    fail = True

    async def send(arguments: Sequence[int]) -> list[int | BaseException]:
        if fail:
            raise ShardUnavailable("down")
        return list(arguments)

    gatherer = Gatherer(send, max_batch=8)
    with pytest.raises(ShardUnavailable):
        await gatherer.call(1, timeout_s=PATIENCE_S)
    fail = False
    assert await gatherer.call(2, timeout_s=PATIENCE_S) == 2


async def test_a_late_answer_is_an_error_and_does_not_hold_up_later_calls() -> None:
    line = Line()
    gatherer = Gatherer(line.send, max_batch=8)
    with pytest.raises(DeadlineExceeded):
        await gatherer.call(1, timeout_s=0.01)
    behind = asyncio.create_task(gatherer.call(2, timeout_s=PATIENCE_S))
    await started([behind])
    line.open.set()
    assert await behind == 20


async def test_a_call_given_up_while_it_waited_is_never_sent() -> None:
    line = Line()
    gatherer = Gatherer(line.send, max_batch=8)
    first, second = (asyncio.create_task(gatherer.call(number, timeout_s=PATIENCE_S)) for number in (1, 2))
    await started([first, second])
    second.cancel()
    await started([second])
    line.open.set()
    assert await first == 10
    assert line.batches == [[1]]


async def test_the_queue_is_bounded() -> None:
    line = Line()
    gatherer = Gatherer(line.send, max_batch=1, max_waiting=1)
    calls = [asyncio.create_task(gatherer.call(number, timeout_s=PATIENCE_S)) for number in range(2)]
    await started(calls)
    with pytest.raises(Busy):
        await gatherer.call(3, timeout_s=PATIENCE_S)
    line.open.set()
    await asyncio.gather(*calls)


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_all_answers_come_in_the_order_of_the_calls(count: int) -> None:
    async def call(number: int) -> int:
        await asyncio.sleep((count - number) / 1000)
        return number

    assert await all_of([call(number) for number in range(count)]) == list(range(count))


async def test_the_failure_of_one_call_is_that_of_all_of_them() -> None:
    async def call(number: int) -> int:
        if number == 1:
            raise ShardUnavailable("down")
        return number

    for numbers in ([1], [0, 1]):
        with pytest.raises(ShardUnavailable):
            await all_of([call(number) for number in numbers])

"""The Ray side of the catalogue's seams, as far as it shows without Ray."""

from __future__ import annotations

import asyncio
import warnings
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, cast

import pytest

from graph.ports import ShardPort
from storage.errors import DeadlineExceeded
from storage.shard_fleet import ShardFleet

TASK: ContextVar[str | None] = ContextVar("TASK", default=None)  # stands for Ray's own, which holds the task that calls


class Fleet:
    """Of one actor, whose answers are what its calls were made with."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []
        self.answers = True

    def find_or_create(self, index: int) -> Any:
        return SimpleNamespace(records=SimpleNamespace(remote=self._call))

    def _call(self, *arguments: Any) -> asyncio.Future[Any]:
        self.seen.append(TASK.get())
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.answers:
            answer.set_result(list(arguments[0]))
        return answer


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
def port(fleet: Fleet) -> ShardPort:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray Serve's own
        from graph.ray_ports import RayShardPort
    return RayShardPort(0, cast(ShardFleet, fleet))


async def test_calls_to_a_shard_are_no_part_of_the_ray_task_that_makes_them(fleet: Fleet, port: ShardPort) -> None:
    TASK.set("a request that may be cancelled")
    await port.records(["a"], timeout_s=1)
    assert fleet.seen == [None]


async def test_a_shard_that_is_late_is_told_from_one_that_is_down(fleet: Fleet, port: ShardPort) -> None:
    fleet.answers = False
    with pytest.raises(DeadlineExceeded):
        await port.records(["a"], timeout_s=0.01)

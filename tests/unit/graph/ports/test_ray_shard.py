"""A shard's port over Ray, as far as it shows without Ray."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, cast

import pytest

from graph.ports.contract import ShardPort
from storage.cluster import local_socket as search_socket
from storage.cluster.fleet import ShardFleet
from storage.cluster.local_socket import SearchConnection, SearchSocket
from storage.encoding.search_messages import decode_queries, encode_answers
from storage.errors import DeadlineExceeded, UnknownFeature
from storage.operations.indexes import Train
from storage.operations.pending import PendingPictures
from storage.operations.pictures import Records
from storage.operations.reports import SearchAddress
from storage.types.pictures import PendingPage
from storage.types.reports import TrainingReport
from storage.types.searches import ShardAnswer, ShardQuery
from tests.unit.waiting import PATIENCE_S

TASK: ContextVar[str | None] = ContextVar("TASK", default=None)  # stands for Ray's own, which holds the task that calls


class Fleet:
    """Of one actor, whose answers are what its calls were made with."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []
        self.answers = True
        self.searches = 0
        self.groups: list[str] = []
        self.address = ""

    def find_or_create(self, index: int) -> Any:
        return SimpleNamespace(
            ask=SimpleNamespace(options=self._options),
            search=SimpleNamespace(remote=self._search),
            lease=SimpleNamespace(remote=lambda *asked: answered(asked == ("fill", "me", 9.0))),
        )

    def _options(self, *, concurrency_group: str) -> Any:
        self.groups.append(concurrency_group)
        return SimpleNamespace(remote=self._ask)

    def _ask(self, operation: object) -> asyncio.Future[Any]:
        match operation:
            case SearchAddress():
                return answered(self.address)
            case Train(feature="local"):
                return answered(TrainingReport(0, "local", 9, 3, 0.1))
            case Train(feature=feature):
                return answered(UnknownFeature(f"not {feature!r}"))
            case PendingPictures(start=start, limit=limit):
                return answered(PendingPage((), start + limit))
            case Records(ids=ids):
                return self._call(ids)
        raise AssertionError(operation)

    def _search(self, question: bytes) -> asyncio.Future[Any]:
        self.searches += 1
        return answered(no_hits(question))

    def _call(self, *arguments: Any) -> asyncio.Future[Any]:
        self.seen.append(TASK.get())
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.answers:
            answer.set_result(list(arguments[0]))
        return answer


def answered(value: Any) -> asyncio.Future[Any]:
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    answer.set_result(value)
    return answer


def no_hits(question: bytes) -> bytes:
    return encode_answers([ShardAnswer({}, {}, {}) for _ in decode_queries(question)])


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
async def port(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ShardPort]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray Serve's own
        from graph.ports import ray_shard as ray_shard_port
    monkeypatch.setattr(ray_shard_port, "SHORT_WAY_PAUSE_S", 0.0)
    one = ray_shard_port.RayShardPort(0, cast(ShardFleet, fleet))
    yield one
    one.close()


async def test_calls_to_a_shard_are_no_part_of_the_ray_task_that_makes_them(fleet: Fleet, port: ShardPort) -> None:
    TASK.set("a request that may be cancelled")
    await port.ask(Records(("a",)), timeout_s=PATIENCE_S)
    assert fleet.seen == [None]


async def test_a_shard_that_is_late_is_told_from_one_that_is_down(fleet: Fleet, port: ShardPort) -> None:
    fleet.answers = False
    with pytest.raises(DeadlineExceeded):
        await port.ask(Records(("a",)), timeout_s=0.01)


async def test_training_is_asked_of_the_actor_and_its_refusal_is_raised(fleet: Fleet, port: ShardPort) -> None:
    assert await port.ask(Train("local"), timeout_s=PATIENCE_S) == TrainingReport(0, "local", 9, 3, 0.1)
    assert fleet.groups == ["upkeep"]
    with pytest.raises(UnknownFeature, match="'color'"):
        await port.ask(Train("color"), timeout_s=PATIENCE_S)


async def searched(port: ShardPort, times: int) -> None:
    for _ in range(times):
        assert await port.search(ShardQuery(()), timeout_s=PATIENCE_S) == ShardAnswer({}, {}, {})
        await asyncio.sleep(0.005)  # the short way is opened beside the searches


@pytest.fixture
def short_way(fleet: Fleet) -> Iterator[None]:
    """The actor has one."""
    socket = SearchSocket(no_hits)
    fleet.address = socket.address
    yield
    socket.close()


class Opening:
    """Stands before the opening of connections, which waits for ``may_go_on``."""

    def __init__(self) -> None:
        self.asked, self.opened = 0, 0
        self.may_go_on = asyncio.Event()
        self._open = SearchConnection.open

    async def __call__(self, address: str) -> SearchConnection:
        self.asked += 1
        await self.may_go_on.wait()
        connection = await self._open(address)
        self.opened += 1
        return connection


@pytest.fixture
def opening(monkeypatch: pytest.MonkeyPatch) -> Opening:
    one = Opening()
    monkeypatch.setattr(SearchConnection, "open", one)
    return one


@pytest.mark.usefixtures("short_way")
async def test_searches_take_the_short_way_once_it_is_known(fleet: Fleet, port: ShardPort) -> None:
    await searched(port, 20)
    assert 1 <= fleet.searches < 10


@pytest.mark.usefixtures("short_way")
async def test_a_short_way_that_is_found_slowly_is_looked_for_once(port: ShardPort, opening: Opening) -> None:
    await searched(port, 5)
    opening.may_go_on.set()
    await searched(port, 20)
    assert (opening.asked, opening.opened) == (1, 1)


@pytest.mark.usefixtures("short_way")
async def test_a_port_that_is_closed_while_it_looks_leaves_nothing_open(port: ShardPort, opening: Opening) -> None:
    await searched(port, 5)
    looking = cast(Any, port)._looking
    cast(Any, port).close()
    opening.may_go_on.set()
    await asyncio.wait([looking])
    assert (opening.asked, opening.opened) == (1, 0)


@pytest.mark.usefixtures("short_way")
async def test_a_short_way_that_breaks_is_replaced_and_no_search_fails(
    fleet: Fleet, port: ShardPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    await searched(port, 20)
    before = fleet.searches
    with monkeypatch.context() as patched:
        patched.setattr(search_socket, "MAX_MESSAGE_BYTES", 0)  # the other end leaves at the next question
        await searched(port, 1)
    assert fleet.searches == before + 1
    await searched(port, 20)
    assert fleet.searches < before + 10


async def test_a_shard_on_another_machine_is_asked_through_its_actor(fleet: Fleet, port: ShardPort) -> None:
    fleet.address = "\0lookalike-of-another-machine"
    await searched(port, 5)
    assert fleet.searches == 5


async def test_a_lease_and_pages_of_waiting_pictures_are_asked_of_the_actor(port: ShardPort) -> None:
    assert await port.lease("fill", "me", 9.0, timeout_s=PATIENCE_S)
    assert not await port.lease("fill", "another", 9.0, timeout_s=PATIENCE_S)
    assert (await port.ask(PendingPictures({"color": "color-1"}, 40, 2), timeout_s=PATIENCE_S)).next_start == 42

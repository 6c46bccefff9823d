"""The sum over routers: whichever is asked, it counts all of them, and it never goes back."""

from __future__ import annotations

import random
from collections.abc import Sequence

from prometheus_client.metrics_core import Metric

from graph.figures.figures import Figures
from graph.figures.routers import Answer, Question, RoutersFigures, Row, pack


class Network:
    """Routers that reach each other. Those that are not in ``alive`` do not answer."""

    def __init__(self) -> None:
        self.routers: dict[str, RoutersFigures] = {}
        self.alive: set[str] = set()
        self.asked = 0

    def start(self, name: str) -> RoutersFigures:
        self.routers[name] = RoutersFigures(Figures(), _Others(self, name))
        self.alive.add(name)
        return self.routers[name]


class _Others:
    def __init__(self, network: Network, own: str) -> None:
        self._network = network
        self._own = own

    async def ask(self, question: Question) -> Sequence[Answer]:
        self._network.asked += 1
        others = self._network.alive - {self._own}
        return [self._network.routers[name].answer(question) for name in sorted(others)]


def request(router: RoutersFigures, times: int = 1) -> None:
    for _ in range(times):
        router.figures.observe("GET /v1/stats", 200, 0.003, 0)


def value(families: Sequence[Metric], name: str, **labels: str) -> float:
    [found] = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return found


async def requests(router: RoutersFigures) -> float:
    return value(await router.families(), "lookalike_requests_total", route="/v1/stats")


async def test_any_router_tells_the_sum_over_all() -> None:
    network = Network()
    one, two, three = (network.start(name) for name in ("one", "two", "three"))
    request(one, 3)
    request(two, 5)
    for router in (one, two, three):
        families = await router.families()
        assert value(families, "lookalike_requests_total", route="/v1/stats", status="200", method="GET") == 8
        assert value(families, "lookalike_request_duration_seconds_count", route="/v1/stats") == 8
        assert value(families, "lookalike_request_duration_seconds_bucket", le="0.005") == 8
        assert value(families, "lookalike_request_duration_seconds_bucket", le="0.002") == 0
        assert value(families, "lookalike_routers") == 3


async def test_what_a_router_counted_stays_in_the_sum_when_it_is_gone() -> None:
    network = Network()
    one, two = network.start("one"), network.start("two")
    request(two, 5)
    two.figures.watch("lookalike_queued_requests", lambda: 7)
    assert value(await one.families(), "lookalike_queued_requests") == 7
    network.alive.remove("two")
    assert await requests(one) == 5
    families = await one.families()
    assert value(families, "lookalike_queued_requests") == 0, "what is so now is told by those that live"
    assert value(families, "lookalike_routers") == 1
    third = network.start("three")
    assert await requests(third) == 5


async def test_a_sum_that_was_told_is_known_when_the_router_that_told_it_dies() -> None:
    network = Network()
    one, two = network.start("one"), network.start("two")
    request(one, 4)
    assert await requests(one) == 4
    network.alive.remove("one")
    assert await requests(two) == 4


async def test_a_router_tells_the_others_when_it_counted_something_and_only_then() -> None:
    network = Network()
    one, two = network.start("one"), network.start("two")
    request(one, 4)
    await one.tell()
    asked = network.asked
    await one.tell()
    assert network.asked == asked
    network.alive.remove("one")
    assert await requests(two) == 4


async def test_only_rows_that_the_asker_lacks_travel() -> None:
    network = Network()
    one, two = network.start("one"), network.start("two")
    request(two)
    await one.families()
    first = one.answer(Question("asker", Row(0, pack([])), {}))
    known = {name: row.version for name, row in first.rows.items()}
    assert len(known) == 2
    assert one.answer(Question("asker", Row(0, pack([])), known)).rows == {}
    request(one)
    assert len(one.answer(Question("asker", Row(0, pack([])), known)).rows) == 1


async def test_the_sum_never_goes_back_while_routers_come_and_go() -> None:
    choose = random.Random(7)
    network = Network()
    network.start("0")
    told = 0.0
    for step in range(1, 400):
        alive = sorted(network.alive)
        request(network.routers[choose.choice(alive)])
        if choose.random() < 0.1:
            network.start(str(step))
        if len(alive) > 1 and choose.random() < 0.1:
            network.alive.remove(choose.choice(alive))
        if choose.random() < 0.5:
            now = await requests(network.routers[choose.choice(sorted(network.alive))])
            assert now >= told
            told = now
    assert told > 100


async def test_the_start_is_that_of_the_first_router() -> None:
    network = Network()
    one, two = network.start("one"), network.start("two")
    started = [value(router.figures.families(), "lookalike_start_time_seconds") for router in (one, two)]
    assert value(await two.families(), "lookalike_start_time_seconds") == min(started)

"""Lanes: who waits, who is refused at once, and how many are worked on."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from graph.http.guards.admission import FEWEST_PLACES, FIRST_PLACES, Lane, kind_of
from storage.errors import Busy


async def work(lane: Lane, seconds: float) -> None:
    place = await lane.enter()
    try:
        await asyncio.sleep(seconds)
    finally:
        place.leave()


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/v1/search", "search"),
        ("GET", "/v1/images/a/b.jpg/similar", "search"),
        ("POST", "/v1/compare", "search"),
        ("POST", "/v1/tags", "search"),
        ("POST", "/phash_get_similar_images_by_id", "search"),
        ("POST", "/reverse_search", "search"),
        ("GET", "/v1/images/similar.jpg/thumbnail", "read"),
        ("GET", "/", "read"),
        ("HEAD", "/v1/images/a", "read"),
        ("PUT", "/v1/images/search", "write"),
        ("POST", "/v1/images", "write"),
        ("DELETE", "/v1/images/similar", "write"),
        ("POST", "/v1/jobs", "write"),
        ("POST", "/calculate_all_image_features", "write"),
    ],
)
def test_a_request_is_of_one_kind(method: str, path: str, kind: str) -> None:
    assert kind_of(method, path) == kind


async def test_who_would_wait_too_long_is_refused_at_once() -> None:
    lane = Lane(most=1, max_queued=1000, max_wait_s=0.3)
    tasks = [asyncio.create_task(work(lane, 0.02)) for _ in range(6)]
    await asyncio.sleep(0.1)  # some have ended: the lane knows its pace
    tasks += [asyncio.create_task(work(lane, 0.02)) for _ in range(40)]
    await asyncio.sleep(0)
    began = time.monotonic()
    with pytest.raises(Busy):
        await lane.enter()
    assert time.monotonic() - began < 0.01
    done = await asyncio.gather(*tasks, return_exceptions=True)
    answered = done.count(None)
    assert 10 <= answered <= 22, "as many as 0.3 s have room for, and those before"
    assert {type(one) for one in done} == {type(None), Busy}
    assert (lane.active, lane.queued) == (0, 0)
    await work(lane, 0)


async def test_nobody_waits_longer_than_the_bound() -> None:
    lane = Lane(most=1, max_queued=10, max_wait_s=0.05)
    first = asyncio.create_task(work(lane, 0.3))
    await asyncio.sleep(0)
    began = time.monotonic()
    with pytest.raises(Busy):
        await lane.enter()
    assert 0.04 < time.monotonic() - began < 0.2
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (lane.active, lane.queued) == (0, 0)


async def test_work_that_gets_slower_by_company_gets_less_of_it_and_quick_work_more() -> None:
    """As on one core: the more are worked on, the longer each takes."""
    lane = Lane(most=64, max_queued=1000, max_wait_s=0.25)

    async def shared(cost: float) -> None:
        try:
            place = await lane.enter()
        except Busy:
            return
        await asyncio.sleep(cost * lane.active)
        place.leave()

    tasks = []
    for _ in range(200):
        tasks.append(asyncio.create_task(shared(0.02)))
        await asyncio.sleep(0.005)
    await asyncio.gather(*tasks)
    crowded = lane.places
    assert FEWEST_PLACES <= crowded < FIRST_PLACES
    for _ in range(60):
        await asyncio.gather(*(shared(0.0001) for _ in range(20)))
    assert lane.places > crowded + 2


async def test_places_are_given_back_however_a_request_ends() -> None:
    dice = random.Random(5)
    lane = Lane(most=3, max_queued=20, max_wait_s=0.02)
    tasks = []
    for _ in range(300):
        tasks.append(asyncio.create_task(work(lane, dice.uniform(0, 0.01))))
        if dice.random() < 0.4:
            dice.choice(tasks).cancel()
        await asyncio.sleep(dice.choice((0, 0.001)))
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(one) for one in done} == {type(None), Busy, asyncio.CancelledError}
    assert (lane.active, lane.queued) == (0, 0)

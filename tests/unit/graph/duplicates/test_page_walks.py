"""Pages of groups: when one ends, what it asks of the shards, and which cursors it takes."""

from __future__ import annotations

from typing import TypeVar

import pytest

from graph.duplicates import pages as duplicates
from graph.duplicates.pages import DuplicateWalk
from storage.errors import InvalidField, ShardUnavailable
from storage.operations.duplicates import Near
from storage.shard.operation import Operation
from tests.twins.in_process import LocalShardPort
from tests.unit.graph.duplicates.groups import MOST, chain, chosen_one_by_one, groups_of, pages, shards_of
from tests.unit.storage.duplicates.near_collection import made_up
from tests.unit.waiting import PATIENCE_S

Answer = TypeVar("Answer")


async def test_what_cannot_be_decided_in_time_is_counted_and_in_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "DECIDE_S", -1.0)
    monkeypatch.setattr(duplicates, "PAGE_S", -1.0)
    pictures = chain(14)
    with shards_of(pictures) as shards:
        found = await pages(shards)
    groups = groups_of(found)
    assert groups.items() < {f"{number:04}": {f"{number + 1:04}": 40} for number in range(0, 14, 2)}.items()
    assert sum(page.undecided for page in found) > 0
    assert sum(page.looked_at for page in found) == 14


async def test_a_page_ends_after_a_while_even_without_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "PAGE_S", 0.0)
    monkeypatch.setattr(duplicates, "FIRST_STEP", 5)
    pictures = made_up(5, 40)
    with shards_of(pictures) as shards:
        found = await pages(shards)
    assert len(found) > 8
    assert any(not page.groups and page.next_cursor for page in found)
    assert groups_of(found) == chosen_one_by_one(pictures)


class Counting(LocalShardPort):
    """calls: how many queries came with each."""

    calls: list[int]

    async def ask(self, operation: Operation[Answer], *, timeout_s: float) -> Answer:
        if isinstance(operation, Near):
            self.calls.append(len(operation.questions.queries))
        return await super().ask(operation, timeout_s=timeout_s)


async def test_a_shard_is_asked_about_many_pictures_at_once() -> None:
    pictures = made_up(6, 300, originals=300, spread=300)
    with shards_of(pictures) as shards:
        for shard in shards:
            shard.__class__ = Counting
            shard.calls = []  # type: ignore[attr-defined]
        await pages(shards)
        calls: list[int] = shards[0].calls  # type: ignore[attr-defined]
    assert sum(calls) >= 300
    assert len(calls) < 30


class Down(LocalShardPort):
    async def ask(self, operation: Operation[Answer], *, timeout_s: float) -> Answer:
        if not isinstance(operation, Near):
            return await super().ask(operation, timeout_s=timeout_s)
        raise ShardUnavailable("shard 1 is restarting")


async def test_without_one_of_the_shards_there_is_no_answer() -> None:
    with shards_of(made_up(7, 10)) as shards:
        shards[1].__class__ = Down
        with pytest.raises(ShardUnavailable):
            await pages(shards)


@pytest.mark.parametrize("cursor", ["", "x", "64.2.0", "64.2.0.-1", "32.2.0.5", "64.3.0.5", "64.2.0.٣", "64.2.0.5 "])
async def test_a_cursor_that_is_none_or_of_another_walk_is_refused(cursor: str) -> None:
    with shards_of([]) as shards:
        walk = DuplicateWalk(shards, max_distance=MOST, shard_timeout_s=PATIENCE_S)
        with pytest.raises(InvalidField):
            await walk.page(cursor, 10)

"""Training an index in several shards: each that has rows, and what is said of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from graph.catalog.training import train_shards
from graph.ports.contract import ShardPort
from graph.requests.messages import AddRequest, SearchRequest, ShardTraining, TrainingAnswer
from storage.errors import InvalidRequest, LookalikeError, ShardUnavailable, UnknownFeature
from storage.operations.indexes import Train
from storage.operations.reports import Stats
from storage.shard.placement import shard_of
from storage.types.reports import TrainingReport
from tests.unit.graph.local_catalog import SHARDS, LocalService, local_service, photo
from tests.unit.waiting import PATIENCE_S

NO_ROWS = InvalidRequest("'local' has no rows to train on", "index pictures first")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LocalService]:
    with local_service(tmp_path, {"local": {}, "color": {}}) as running:
        yield running


def id_in_shard(shard: int) -> str:
    return next(name for name in map(str, range(1000)) if shard_of(name, SHARDS) == shard)


async def fill(service: LocalService, shards: Sequence[int]) -> None:
    for shard in shards:
        await service.catalog.pictures.add(AddRequest(photo(shard), id=id_in_shard(shard)))


async def test_every_shard_is_trained_and_its_pictures_are_found_as_before(service: LocalService) -> None:
    await fill(service, range(SHARDS))
    training = await service.catalog.service.train("local")
    assert training.feature == "local"
    assert [(shard.shard, shard.reason) for shard in training.shards] == [(0, ""), (1, ""), (2, "")]
    assert all(shard.rows > 0 and shard.lists > 1 and shard.took_s >= 0 for shard in training.shards)
    kinds = {report.name: report.index_kind for report in await service.catalog.service.features()}
    assert kinds == {"local": "inverted_file", "color": "exact"}
    answer = await service.catalog.searches.search(SearchRequest(images=(photo(1),), features=("local",)))
    assert answer.results[0].id == id_in_shard(1)
    assert [report.problems for report in await service.catalog.service.verify()] == [(), (), ()]


async def test_a_shard_without_rows_is_reported_and_the_others_are_trained(service: LocalService) -> None:
    await fill(service, [0, 2])
    shards = (await service.catalog.service.train("local")).shards
    assert [shard.rows > 0 for shard in shards] == [True, False, True]
    assert shards[1] == ShardTraining(1, reason="'local' has no rows to train on")
    stats = [await shard.ask(Stats(), timeout_s=PATIENCE_S) for shard in service.shards]
    assert [one.features["local"].index_kind for one in stats] == ["inverted_file", "exact", "inverted_file"]


async def test_without_any_rows_training_is_refused(service: LocalService) -> None:
    with pytest.raises(InvalidRequest, match="no rows to train on"):
        await service.catalog.service.train("local")


async def test_a_feature_that_cannot_be_trained_is_refused_with_the_reason(service: LocalService) -> None:
    await fill(service, [0])
    with pytest.raises(InvalidRequest, match="'color' compares every row"):
        await service.catalog.service.train("color")
    with pytest.raises(UnknownFeature, match="'locals'"):
        await service.catalog.service.train("locals")


@dataclass
class TrainingShard:
    """Answers once ``together`` have been asked."""

    index: int
    together: asyncio.Barrier
    outcome: LookalikeError | None = None
    asked: list[tuple[str, float]] = field(default_factory=list)
    done: bool = False

    async def ask(self, operation: Train, *, timeout_s: float) -> TrainingReport:
        self.asked.append((operation.feature, timeout_s))
        if self.outcome is not None:
            raise self.outcome
        await self.together.wait()
        self.done = True
        return TrainingReport(self.index, operation.feature, 100 + self.index, 20, 0.5)


def ports(shards: Sequence[TrainingShard]) -> Sequence[ShardPort]:
    return cast(Sequence[ShardPort], shards)


async def test_the_shards_are_trained_at_the_same_time_in_the_time_that_there_is() -> None:
    together = asyncio.Barrier(3)
    shards = [TrainingShard(index, together) for index in range(3)]
    async with asyncio.timeout(PATIENCE_S):
        answer = await train_shards(ports(shards), "local", timeout_s=60)
    assert answer == TrainingAnswer("local", tuple(ShardTraining(index, 100 + index, 20, 0.5) for index in range(3)))
    assert all(shard.asked == [("local", 60)] for shard in shards)


async def test_a_shard_that_is_down_is_an_error_once_the_others_are_done() -> None:
    together = asyncio.Barrier(2)
    down = ShardUnavailable("shard 1 is restarting", "try again in a few seconds")
    outcomes = [None, down, None, NO_ROWS]
    shards = [TrainingShard(index, together, outcome) for index, outcome in enumerate(outcomes)]
    with pytest.raises(ShardUnavailable, match="shard 1 is restarting"):
        await train_shards(ports(shards), "local", timeout_s=60)
    assert [shard.done for shard in shards] == [True, False, True, False]


async def test_a_shard_that_is_down_is_told_from_one_that_refuses() -> None:
    outcomes = [NO_ROWS, ShardUnavailable("shard 1 is restarting")]
    shards = [TrainingShard(index, asyncio.Barrier(1), outcome) for index, outcome in enumerate(outcomes)]
    with pytest.raises(ShardUnavailable):
        await train_shards(ports(shards), "local", timeout_s=60)

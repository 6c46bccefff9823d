"""A whitening is the same in every shard: all have the new one, or each what it had."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.replica import loading_part
from graph.requests.messages import AddRequest, SearchRequest
from storage.errors import InvalidRequest, ShardUnavailable
from storage.operations.indexes import Whiten
from storage.operations.reports import Stats
from storage.shard.open_shard import OpenShard
from storage.types.reports import TrainingReport
from tests.unit.graph.local_catalog import SHARDS, LocalService, local_service, photo
from tests.unit.waiting import wait_for


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalService]:
    monkeypatch.setattr(loading_part, "LOOK_INTERVAL_S", 0.02)
    weights = tmp_path / "weights"
    weights.write_text("one")
    with local_service(tmp_path / "data", {"fake_model": {"weights": str(weights)}}) as running:
        yield running


async def fill(service: LocalService, *seeds: int) -> None:
    port = service.extractors["fake_model"]
    wait_for(lambda: port._host.report().state == "ready", "the model is loaded")
    await service.models.look()
    for seed in seeds:
        await service.catalog.pictures.add(AddRequest(photo(seed), id=f"photo-{seed}"))


def whitenings(service: LocalService) -> list[int]:
    return [shard._shard.ask(Stats()).features["fake_model"].whitening for shard in service.shards]


async def index_kind(service: LocalService) -> str | None:
    [report] = await service.catalog.service.features()
    return report.index_kind


@pytest.fixture
def second_fails(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Shards that were asked to whiten, the second of which is down whenever it is."""
    asked: list[int] = []
    whiten = Whiten.run

    def failing(self: Whiten, shard: OpenShard) -> TrainingReport:
        asked.append(shard.plan.index)
        if shard.plan.index == 1:
            raise ShardUnavailable("shard 1 is restarting")
        return whiten(self, shard)

    monkeypatch.setattr(Whiten, "run", failing)
    return asked


async def test_every_shard_gets_the_same(service: LocalService) -> None:
    await fill(service, *range(40))
    trained = await service.catalog.service.train("fake_model")
    assert [shard.shard for shard in trained.shards] == [0, 1, 2]
    assert 0 not in set(whitenings(service))
    assert len(set(whitenings(service))) == 1
    assert await index_kind(service) == "exact, whitened"


async def test_with_too_few_pictures_nothing_changes(service: LocalService) -> None:
    await fill(service, 1, 2)
    with pytest.raises(InvalidRequest, match="too few"):
        await service.catalog.service.train("fake_model")
    assert whitenings(service) == [0] * SHARDS


async def test_where_a_shard_fails_the_others_stay_plain(service: LocalService, second_fails: list[int]) -> None:
    await fill(service, *range(40))
    with pytest.raises(ShardUnavailable, match="shard 1 is restarting"):
        await service.catalog.service.train("fake_model")
    assert whitenings(service) == [0] * SHARDS
    assert await index_kind(service) == "exact"
    assert sorted(second_fails) == [0, 0, 1, 1, 2, 2]


async def test_where_a_shard_fails_the_others_get_their_former_whitening_back(
    service: LocalService, request: pytest.FixtureRequest
) -> None:
    await fill(service, *range(40))
    await service.catalog.service.train("fake_model")
    before = whitenings(service)
    await fill(service, *range(40, 60))
    request.getfixturevalue("second_fails")
    with pytest.raises(ShardUnavailable):
        await service.catalog.service.train("fake_model")
    assert whitenings(service) == before
    answer = await service.catalog.searches.search(SearchRequest(images=(photo(50),)))
    assert answer.results[0].id == "photo-50"
    assert all(not report.problems for report in await service.catalog.service.verify())


async def test_shards_that_differ_all_the_same_are_shown(service: LocalService) -> None:
    await fill(service, *range(40))
    await service.catalog.service.train("fake_model")
    spec = service.extractors["fake_model"].served.spec
    assert spec is not None
    service.shards[2]._shard.ask(Whiten("fake_model", spec.fingerprint, None))
    assert await index_kind(service) == "exact, partly whitened"

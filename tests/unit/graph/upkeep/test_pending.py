"""Filling in the background: only what can be computed, by one filler, and no picture holds the others up."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from deployments.extractor import Annotation, ImageInput, Pixels
from deployments.pictures.prepared import PreparedPicture
from graph.ports.contract import ExtractorStatus
from graph.requests.messages import AddRequest
from graph.upkeep.pending import PendingFeatures
from storage.errors import ExtractorFailed, ExtractorUnavailable, LookalikeError, ShardUnavailable
from storage.operations.pending import PendingPictures
from storage.operations.pictures import Original
from storage.shard.leases import Leases
from storage.shard.operation import Operation
from storage.types.features import FeatureRows
from tests.unit.graph.local_catalog import BreakableShard, LocalService, local_service, photo
from tests.unit.storage.samples import inside
from tests.unit.waiting import PATIENCE_S


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LocalService]:
    with local_service(tmp_path) as running:
        yield running


class Spy:
    """What the shards were asked for. Wraps their methods in place."""

    def __init__(self, service: LocalService) -> None:
        self.asked: Counter[str] = Counter()
        self.listed: list[str] = []
        self.originals: list[str] = []
        for shard in service.shards:
            self._watch(shard)

    def _watch(self, shard: BreakableShard) -> None:
        ask = shard.ask

        async def spied(operation: Operation[Any], *, timeout_s: float) -> Any:
            answer = await ask(operation, timeout_s=timeout_s)
            if isinstance(operation, PendingPictures):
                self.listed += [image.id for image in answer.images]
                self.asked.update(list(operation.wanted))
            elif isinstance(operation, Original):
                self.originals.append(operation.id)
            return answer

        shard.ask = spied  # type: ignore[method-assign]


def another_filler(service: LocalService) -> PendingFeatures:
    """As of a second router."""
    return PendingFeatures(
        extractors=service.extractors, shards=service.shards, prepare=service.decoding.prepare, timeout_s=PATIENCE_S
    )


async def add_without_color(service: LocalService, count: int) -> None:
    service.extractors["color"].failure = ExtractorUnavailable("no weights")
    for seed in range(count):
        await service.catalog.pictures.add(AddRequest(photo(seed), id=f"photo-{seed}"))


async def colors(service: LocalService, count: int) -> list[str]:
    return [(await service.catalog.pictures.get(f"photo-{seed}")).features["color"] for seed in range(count)]


async def test_nothing_is_read_of_pictures_that_wait_for_a_missing_model(service: LocalService) -> None:
    await add_without_color(service, 5)
    spy = Spy(service)
    assert await service.pending.fill() == 0
    assert (spy.listed, spy.originals) == ([], [])
    assert set(spy.asked) == {"phash"}

    service.extractors["color"].failure = None
    assert await service.pending.fill() == 5
    assert sorted(spy.originals) == sorted(spy.listed) == [f"photo-{seed}" for seed in range(5)]
    assert await colors(service, 5) == ["ok"] * 5


async def test_more_pictures_than_a_page_are_all_filled_in_one_round(
    service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph.upkeep.pending.PAGE", 2)
    await add_without_color(service, 12)
    service.extractors["color"].failure = None
    assert await service.pending.fill() == 12


async def test_of_two_fillers_one_works(service: LocalService, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_without_color(service, 3)
    other = another_filler(service)
    assert await service.pending.fill() == 0  # it has the lease, though there is nothing to do yet
    service.extractors["color"].failure = None
    spy = Spy(service)
    assert await other.fill() == 0
    assert not spy.asked
    assert await service.pending.fill() == 3
    monkeypatch.setattr(service.shards[0]._shard, "_leases", Leases())  # the first router is gone, and so is its lease
    assert await other.fill() == 0
    assert spy.asked
    asked = spy.asked.total()
    assert await service.pending.fill() == 0
    assert spy.asked.total() == asked


async def test_a_filler_stops_when_its_lease_is_lost(service: LocalService, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_without_color(service, 8)
    service.extractors["color"].failure = None
    leases: list[str] = []

    async def lease(name: str, holder: str, seconds: float, *, timeout_s: float) -> bool:
        leases.append(holder)
        return len(leases) < 6

    monkeypatch.setattr(service.shards[0], "lease", lease)
    assert 0 < await service.pending.fill() < 5
    assert set(leases) == {service.pending._holder}


async def test_nobody_fills_while_the_shard_that_keeps_the_lease_is_down(
    service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lease(name: str, holder: str, seconds: float, *, timeout_s: float) -> bool:
        raise ShardUnavailable("shard 0 is restarting")

    await add_without_color(service, 2)
    service.extractors["color"].failure = None
    monkeypatch.setattr(service.shards[0], "lease", lease)
    assert await service.pending.fill() == 0


async def test_a_shard_that_is_down_does_not_keep_the_others_waiting(service: LocalService) -> None:
    await add_without_color(service, 8)
    service.extractors["color"].failure = None
    service.shards[1].failure = ShardUnavailable("down")
    filled = await service.pending.fill()
    assert 0 < filled < 8
    service.shards[1].failure = None
    assert await service.pending.fill() == 8 - filled


async def test_a_picture_that_always_fails_is_tried_ever_less_often_and_holds_nobody_up(
    service: LocalService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await add_without_color(service, 1)
    color = service.extractors["color"]
    color.failure = None
    tries: list[int] = []
    number = 0

    async def extract(image: Pixels, *, timeout_s: float) -> FeatureRows:
        tries.append(number)
        raise ExtractorFailed("it crashed on this one")

    with monkeypatch.context() as broken, caplog.at_level(logging.DEBUG, "graph.upkeep.pending"):
        broken.setattr(color, "extract", extract)
        for number in range(16):  # noqa: B007 - read above
            await service.pending.fill()
    assert tries == [0, 1, 3, 7, 15]
    told = [record.levelname for record in caplog.records if "photo-0" in record.getMessage()]
    assert told == ["WARNING"] + ["DEBUG"] * 4


async def test_a_picture_that_cannot_be_decoded_any_more_is_left_and_those_behind_it_are_filled(
    service: LocalService, caplog: pytest.LogCaptureFixture
) -> None:
    await add_without_color(service, 9)
    service.extractors["color"].failure = None
    originals = Spy(service).originals
    for shard in service.shards:
        inside(shard._shard).store.write(spoil_first_original)
    with caplog.at_level(logging.DEBUG, "graph.upkeep.pending"):
        assert await service.pending.fill() == 9 - len(service.shards)
        assert len(originals) == 9
        for _ in range(3):
            assert await service.pending.fill() == 0
    assert len(originals) == 9 + 2 * len(service.shards)
    assert [record.levelname for record in caplog.records].count("WARNING") == len(service.shards)


def spoil_first_original(transaction) -> None:  # type: ignore[no-untyped-def]
    key = next(iter(transaction.keys("originals")))
    transaction.put("originals", key, b"not a picture")


async def test_what_failed_only_because_a_model_was_away_is_tried_in_the_next_round(
    service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_without_color(service, 2)
    color = service.extractors["color"]
    color.failure = None

    async def extract(image: Pixels, *, timeout_s: float) -> FeatureRows:
        raise ExtractorUnavailable("its model is being replaced")

    with monkeypatch.context() as away:
        away.setattr(color, "extract", extract)
        for _ in range(3):
            assert await service.pending.fill() == 0
    assert await service.pending.fill() == 2


async def test_whatever_goes_wrong_with_one_picture_is_remembered_and_ends_no_round(
    service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_without_color(service, 5)
    service.extractors["color"].failure = None
    seen: list[bytes] = []
    prepare = service.pending._prepare

    async def broken(data: bytes, inputs: set[ImageInput]) -> PreparedPicture:
        seen.append(data)
        if data == photo(2):
            raise ValueError("nobody thought of this")
        return await prepare(data, inputs)

    monkeypatch.setattr(service.pending, "_prepare", broken)
    assert await service.pending.fill() == 4
    for _ in range(3):
        assert await service.pending.fill() == 0
    assert seen.count(photo(2)) == 3


class Captions:
    """An annotator that answers as it is told to."""

    name = "caption"
    is_stored = True
    needs_features = False
    image_input = ImageInput("gray", (8, 8))
    failure: LookalikeError | None = ExtractorFailed("it crashed")
    version = "one"
    calls = 0

    async def annotate(
        self, picture: PreparedPicture, features: Mapping[str, FeatureRows], *, timeout_s: float
    ) -> Annotation:
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        return "a bridge"

    async def status(self) -> ExtractorStatus:
        return ExtractorStatus(self.name, "ready", role="annotator", version=self.version)


async def test_annotations_are_filled_in_and_another_model_is_tried_at_once(tmp_path: Path) -> None:
    captions = Captions()
    with local_service(tmp_path, annotators={"caption": captions}) as service:
        await service.catalog.pictures.add(AddRequest(photo(1), id="a"))
        captions.calls = 0
        for _ in range(3):
            assert await service.pending.fill() == 0
        assert captions.calls == 2
        captions.version, captions.failure = "two", None
        assert await service.pending.fill() == 1
        assert (await service.catalog.pictures.get("a")).annotations == {"caption": "a bridge"}
        assert await service.pending.fill() == 0
        assert captions.calls == 3

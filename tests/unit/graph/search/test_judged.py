"""Searches whose results are judged: over shards, by any extractors, in the order of what the pictures are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from benchmarks.photo_groups import photographs
from benchmarks.photo_sets import upright
from graph.jobs.evaluating.edits import EDITS
from graph.requests.messages import AddRequest, SearchAnswer, SearchRequest
from lookalike_client import Thresholds
from lookalike_client.matches import Relevance
from storage.operations.thresholds import PutThresholds
from tests.unit.graph.local_catalog import LocalService, local_service

STORED = ("astronaut", "coffee", "chelsea", "china", "flower", "rocket", "motorcycle_left", "moon", "page", "camera")


def photo(name: str) -> Path:
    [path] = [one.path for one in photographs() if one.path.stem == name and "packages" in str(one.path)]
    return path


def edited(name: str, edit: str) -> bytes:
    return EDITS[edit](upright(photo(name)), random.Random(edit)).jpeg()


async def filled(service: LocalService) -> LocalService:
    for name in STORED:
        await service.catalog.pictures.add(AddRequest(photo(name).read_bytes(), id=name))
    return service


@pytest.fixture(params=[1, 3])
def service(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[LocalService]:
    extractors: dict[str, dict[str, object]] = {"phash": {}, "color": {}, "local": {}}
    with local_service(tmp_path, extractors, shard_count=request.param) as running:
        yield running


async def asked(service: LocalService, **request: object) -> SearchAnswer:
    return await service.catalog.searches.search(SearchRequest(**request))  # type: ignore[arg-type]


async def test_copies_and_parts_are_told_and_strangers_are_not_there(service: LocalService) -> None:
    await filled(service)
    for edit, relation in (("jpeg 15", {"same", "edited"}), ("crop 50 %", {"crop"}), ("overlay text", {"edited"})):
        answer = await asked(service, images=(edited("coffee", edit),))
        assert (answer.verdict, answer.results[0].id) == ("match", "coffee")
        assert answer.results[0].relation in relation
    stranger = await asked(service, images=(photo("retina").read_bytes(),), relevance="likely")
    assert (stranger.verdict, stranger.results) == ("none", ())
    assert (await asked(service, images=(photo("retina").read_bytes(),))).results


async def test_what_a_collection_asks_of_a_match_is_asked_of_strong_relations_alone(service: LocalService) -> None:
    await filled(service)
    copy = (edited("coffee", "jpeg 15"),)
    [before] = (await asked(service, images=copy, relevance="strong")).results
    assert before.confidence is not None
    stored = PutThresholds(Thresholds(1.0, 0.001, 0.95, 3000, 0))
    await service.shards[0].ask(stored, timeout_s=60)
    assert (await asked(service, images=copy)).verdict == "match"
    marks = service.catalog.searches.judgement_marks()
    await service.catalog.searches.keep_up()
    assert service.catalog.searches.judgement_marks() != marks  # so pairs that were judged before are judged anew
    answer = await asked(service, images=copy)
    assert answer.verdict != "match" or before.confidence == 1.0
    assert answer.results[0].id == "coffee"
    assert (await asked(service, images=copy, least_confidence=0.5)).verdict == "match"
    assert (await asked(service, images=(photo("coffee").read_bytes(),))).results[0].confidence == 1.0
    assert (await service.catalog.service.stats()).thresholds == stored.thresholds
    await service.catalog.service.forget_thresholds()
    await service.catalog.searches.keep_up()
    assert (await asked(service, images=copy)).results[0] == before


async def test_thresholds_never_lower_what_the_package_asks(service: LocalService) -> None:
    await service.shards[0].ask(PutThresholds(Thresholds(0.1, 0.001, 0.95, 3000, 0)), timeout_s=60)
    await service.catalog.searches.keep_up()
    assert service.catalog.searches._least_confidence == 0.5


async def test_a_stored_picture_is_the_same_as_itself_for_certain(service: LocalService) -> None:
    await filled(service)
    for request in ({"ids": ("moon",)}, {"images": (photo("moon").read_bytes(),)}):
        best = (await asked(service, **request)).results[0]
        assert (best.id, best.relation, best.confidence) == ("moon", "same", 1.0)


async def test_the_verdict_and_the_beginning_do_not_depend_on_relevance_or_k(service: LocalService) -> None:
    await filled(service)
    query = edited("chelsea", "crop 50 % + mirror")
    whole = await asked(service, images=(query,))
    for relevance in get_args(Relevance):
        for k in (1, 2, 20):
            answer = await asked(service, images=(query,), relevance=relevance, k=k)
            assert answer.verdict == whole.verdict == "match"
            ids = [result.id for result in answer.results]
            assert ids == [result.id for result in whole.results][: len(ids)]
            assert len(ids) == (k if relevance == "all" else 1) or k > len(STORED)


async def test_it_is_said_why(service: LocalService) -> None:
    await filled(service)
    answer = await asked(service, images=(edited("china", "overlay text"),), explain=True, relevance="strong")
    [result] = answer.results
    assert result.explain is not None
    told = {evidence.name: evidence.value for evidence in result.explain.evidence}
    assert told["inliers"] == result.matches["local"]["inliers"]
    assert result.explain.changed is not None
    assert result.explain.changed.size == (result.width, result.height)
    assert result.explain.changed.boxes


@pytest.mark.parametrize("extractor", ["phash", "color", "local"])
async def test_any_extractor_alone_will_do(extractor: str, tmp_path: Path) -> None:
    with local_service(tmp_path, {extractor: {}}) as service:
        await filled(service)
        for edit in ("jpeg 15", "mirror") if extractor != "local" else ("jpeg 15", "mirror", "crop 50 %"):
            [result] = (await asked(service, images=(edited("china", edit),), relevance="strong")).results
            assert result.id == "china"
            assert result.transform is not None
            assert result.transform.mirrored == (edit == "mirror")
        assert (await asked(service, images=(photo("retina").read_bytes(),))).verdict != "match"

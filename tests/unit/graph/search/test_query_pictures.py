"""Pictures that a search asks with and that are stored already: nothing is computed of them again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from graph.requests.messages import AddRequest, SearchAnswer, SearchRequest
from storage.errors import ExtractorFailed
from tests.unit.graph.local_catalog import LocalService, local_service, photo

SEEDS = range(1, 9)


@pytest.fixture(params=[1, 3])
def service(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[LocalService]:
    with local_service(tmp_path, {"phash": {}, "local": {}}, shard_count=request.param) as running:
        yield running


async def search(service: LocalService, *images: bytes, **request: object) -> SearchAnswer:
    return await service.catalog.searches.search(SearchRequest(images=images, **request))  # type: ignore[arg-type]


def without_times(answer: SearchAnswer) -> SearchAnswer:
    features = {name: replace(report, took_ms=0.0) for name, report in answer.features.items()}
    return replace(answer, took_ms=0.0, features=features)


async def test_a_picture_that_is_stored_is_asked_with_what_is_stored_of_it(service: LocalService) -> None:
    for seed in SEEDS:
        await service.catalog.pictures.add(AddRequest(photo(seed, (480, 360))))
    own = [photo(seed, (480, 360)) for seed in SEEDS]
    by_id = await search(service, ids=((await search(service, own[2])).results[0].id,))
    for port in service.extractors.values():
        port.failure = ExtractorFailed("broken", "")
    assert without_times(await search(service, own[2])) == without_times(by_id)
    assert by_id.results[0].relation == "same"
    assert len((await search(service, own[2], own[4])).results) == len(SEEDS)
    with pytest.raises(ExtractorFailed):
        await search(service, photo(99, (480, 360)))


async def test_what_is_missing_of_a_stored_picture_is_computed(service: LocalService) -> None:
    service.extractors["local"].failure = ExtractorFailed("broken", "")
    await service.catalog.pictures.add(AddRequest(photo(1, (480, 360))))
    service.extractors["local"].failure = None
    answer = await search(service, photo(1, (480, 360)))
    assert answer.features["local"].status == "ok"
    assert not answer.partial

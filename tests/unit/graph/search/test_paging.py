"""Pages of a search, and the best of equal pictures alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from graph.requests.messages import AddRequest, SearchRequest
from storage.errors import InvalidField
from storage.filters.text_form import parse_filter
from tests.unit.graph.duplicates.scenes import encoded, scene
from tests.unit.graph.local_catalog import LocalService, as_jpeg, local_service, photo

ASKED = SearchRequest(images=(photo(3),), features=("phash",), k=4)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LocalService]:
    with local_service(tmp_path) as running:
        yield running


async def fill(service: LocalService, copies: int = 1) -> None:
    for seed in range(10):
        for copy in range(copies):
            image_id = f"photo-{seed}" + ("" if copy == 0 else f"-copy-{copy}")
            await service.catalog.pictures.add(AddRequest(photo(seed), id=image_id))


async def pages(service: LocalService, request: SearchRequest) -> list[list[str]]:
    found: list[list[str]] = []
    while True:
        answer = await service.catalog.searches.search(request)
        found.append([result.id for result in answer.results])
        if answer.next_cursor is None:
            return found
        request = replace(request, cursor=answer.next_cursor)


async def test_pages_of_one_feature_are_its_whole_ranking(service: LocalService) -> None:
    await fill(service)
    whole = await service.catalog.searches.search(replace(ASKED, k=100))
    assert whole.next_cursor is None
    found = await pages(service, ASKED)
    assert [len(page) for page in found] == [4, 4, 2]
    assert [image_id for page in found for image_id in page] == [result.id for result in whole.results]


async def test_a_cursor_goes_on_with_a_wider_relevance(service: LocalService) -> None:
    await fill(service)
    cursor = (await service.catalog.searches.search(ASKED)).next_cursor
    wider = replace(ASKED, cursor=cursor, relevance="all", explain=True)
    narrower = replace(wider, relevance="strong")
    assert (await service.catalog.searches.search(wider)).results
    assert (await service.catalog.searches.search(narrower)).results == ()


async def test_of_equal_pictures_only_the_best_comes_and_the_page_is_full(service: LocalService) -> None:
    await fill(service, copies=6)
    plain = await service.catalog.searches.search(ASKED)
    assert {result.id.partition("-copy")[0] for result in plain.results} == {"photo-3"}
    found = await pages(service, replace(ASKED, distinct=True))
    assert [len(page) for page in found] == [4, 4, 2]
    assert len({image_id.partition("-copy")[0] for page in found for image_id in page}) == 10
    assert found[0][0] == plain.results[0].id


async def test_of_results_that_are_the_same_only_the_best_comes(tmp_path: Path) -> None:
    whole, other = scene(1), scene(2)
    half = whole.resize((320, 240))
    pictures = {"original": encoded(whole), "small": encoded(half), "turned": encoded(half.rotate(90, expand=True))}
    pictures |= {"other": encoded(other), "other small": encoded(other.resize((320, 240)))}
    with local_service(tmp_path, {"phash": {}, "local": {}}) as service:
        for image_id, data in pictures.items():
            await service.catalog.pictures.add(AddRequest(data, id=image_id))
        for asked in (SearchRequest(images=(encoded(whole, 80),), distinct=True), SearchRequest(ids=("other",))):
            found = (await service.catalog.searches.search(replace(asked, distinct=True))).results
            kinds = [result.id in ("other", "other small") for result in found]
            assert sorted(kinds) == [False, True], [result.id for result in found]


async def test_blank_pages_of_one_hash_are_not_the_same(service: LocalService) -> None:
    for number in range(3):
        blank = as_jpeg(Image.new("RGB", (100, 100 + number), "white"))
        await service.catalog.pictures.add(AddRequest(blank, id=f"{number}"))
    found = await service.catalog.searches.search(SearchRequest(images=(photo(1),), distinct=True))
    assert len(found.results) == 3


@pytest.mark.parametrize(
    "other",
    [
        {"text": "x"},
        {"features": ("color",)},
        {"filter": parse_filter("width > 1")},
        {"distinct": True},
        {"images": (photo(4),)},
    ],
)
async def test_a_cursor_belongs_to_one_search(service: LocalService, other: dict[str, object]) -> None:
    await fill(service)
    cursor = (await service.catalog.searches.search(ASKED)).next_cursor
    with pytest.raises(InvalidField, match="another search"):
        await service.catalog.searches.search(replace(ASKED, cursor=cursor, **other))  # type: ignore[arg-type]
    for wrong in ("x", "é", "eC4x"):
        with pytest.raises(InvalidField, match="cursor"):
            await service.catalog.searches.search(replace(ASKED, cursor=wrong))

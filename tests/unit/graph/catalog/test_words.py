"""Words in pictures through the catalogue: read when a picture is added, found by texts and by pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.requests.messages import AddRequest, SearchAnswer, SearchRequest
from storage.errors import InvalidField
from tests.unit.graph.local_catalog import LocalService, local_service, photo
from tests.unit.graph.signs import sign

pytest.importorskip("rapidocr")
pytestmark = pytest.mark.slow

SIGNS = {"sign": "Please receive\nGOODS at Smyth", "menu": "Café menu", "poster": "red circle"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LocalService]:
    with local_service(tmp_path, {"phash": {}, "text": {}}) as running:
        yield running


async def settled(service: LocalService) -> None:
    """Loads the networks and lets the shards know what they make."""
    while service.extractors["text"].served.spec is None:
        await service.extractors["text"].report()
        await service.models.look()


async def filled(service: LocalService) -> LocalService:
    await settled(service)
    for image_id, text in SIGNS.items():
        await service.catalog.pictures.add(AddRequest(sign(text), id=image_id))
    await service.catalog.pictures.add(AddRequest(photo(1), id="photo"))
    return service


def ids(answer: SearchAnswer) -> list[str]:
    return [result.id for result in answer.results]


async def test_words_are_found_by_text_and_by_picture(service: LocalService) -> None:
    catalog = (await filled(service)).catalog
    for text, found in {
        "receive": "sign",
        "recieve": "sign",
        "Smith": "sign",
        "cafe": "menu",
        "circ": "poster",
    }.items():
        assert ids(await catalog.searches.search(SearchRequest(text=text))) == [found]
    [best, *_] = (
        await catalog.searches.search(SearchRequest(images=(sign("RED CIRCLE"),), features=("text",)))
    ).results
    assert (best.id, best.matches["text"]["distance"], best.matches["text"]["farther"]) == ("poster", 0, 0.75)
    assert ids(await catalog.searches.search(SearchRequest(ids=("menu",), features=("text",)))) == ["menu"]


async def test_the_evidence_lies_in_the_stored_picture(service: LocalService) -> None:
    catalog = (await filled(service)).catalog
    [result] = (await catalog.searches.search(SearchRequest(text="goods"))).results
    [word] = result.matches["text"]["words"]
    assert (word["query"], word["word"], word["match"]) == ("goods", "GOODS", "exact")
    (left, top), (right, _), (_, bottom), _ = word["box"]
    assert 40 < left < 80
    assert 300 < right < 600
    assert 180 < top < 260
    assert 280 < bottom < 360


async def test_a_picture_without_words_matches_nothing(service: LocalService) -> None:
    catalog = (await filled(service)).catalog
    answer = await catalog.searches.search(SearchRequest(images=(photo(1),), features=("text",)))
    assert (ids(answer), answer.partial) == ([], False)
    record = await catalog.pictures.get("photo")
    assert record.features["text"] == "ok"


async def test_a_wrong_parameter_is_refused(service: LocalService) -> None:
    await settled(service)
    with pytest.raises(InvalidField, match="min_score"):
        await service.catalog.searches.search(SearchRequest(text="red", params={"text": {"min_score": 7}}))

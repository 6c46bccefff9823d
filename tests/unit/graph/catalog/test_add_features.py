"""Single features through the catalogue: computed, stored beside others, taken away, and refused whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from graph.requests.messages import AddFeaturesRequest, AddRequest, SearchRequest
from storage.errors import ExtractorFailed, ImageExists, ImageNotFound, UnknownFeature, UnreadableImage
from storage.operations.features import Features
from storage.shard.placement import shard_of
from storage.types.mutations import AddFeatures
from tests.unit.graph.local_catalog import SHARDS, LocalService, local_service, photo
from tests.unit.waiting import PATIENCE_S


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LocalService]:
    with local_service(tmp_path) as running:
        yield running


def single(seed: int, *features: str, image_id: str = "7") -> AddFeaturesRequest:
    return AddFeaturesRequest(photo(seed), image_id, features)


async def found(service: LocalService, seed: int, feature: str) -> list[str]:
    answer = await service.catalog.searches.search(
        SearchRequest(images=(photo(seed),), features=(feature,), max_distance={feature: 0.01})
    )
    return [result.id for result in answer.results]


async def test_one_feature_after_the_other_makes_the_whole_picture(service: LocalService) -> None:
    first = await service.catalog.pictures.add_features(single(1, "phash"))
    assert (first.outcome, dict(first.record.features)) == ("created", {"phash": "ok", "color": "absent"})
    assert (await found(service, 1, "phash"), await found(service, 1, "color")) == (["7"], [])
    second = await service.catalog.pictures.add_features(single(1, "color"))
    assert (second.outcome, dict(second.record.features)) == ("filled", {"phash": "ok", "color": "ok"})
    assert await found(service, 1, "color") == ["7"]


async def test_a_feature_that_is_there_is_refused_with_what_to_do(service: LocalService) -> None:
    await service.catalog.pictures.add(AddRequest(photo(1), id="7"))
    with pytest.raises(ImageExists, match="has phash already"):
        await service.catalog.pictures.add_features(single(1, "phash"))


async def test_another_picture_is_refused(service: LocalService) -> None:
    await service.catalog.pictures.add_features(single(1, "phash"))
    with pytest.raises(ImageExists, match="another picture"):
        await service.catalog.pictures.add_features(single(2, "color"))
    assert await found(service, 2, "color") == []


async def test_what_cannot_be_computed_stores_nothing(service: LocalService) -> None:
    service.extractors["color"].failure = ExtractorFailed("broken")
    with pytest.raises(ExtractorFailed):
        await service.catalog.pictures.add_features(single(1, "phash", "color"))
    with pytest.raises(ImageNotFound):
        await service.catalog.pictures.get("7")
    with pytest.raises(UnreadableImage):
        await service.catalog.pictures.add_features(AddFeaturesRequest(b"no picture", "7", ("phash",)))
    with pytest.raises(UnknownFeature):
        await service.catalog.pictures.add_features(single(1, "shape"))


async def test_a_removed_feature_leaves_the_others(service: LocalService) -> None:
    await service.catalog.pictures.add(AddRequest(photo(1), id="7"))
    await service.catalog.pictures.remove_features("7", ["phash"])
    assert (await found(service, 1, "phash"), await found(service, 1, "color")) == ([], ["7"])
    with pytest.raises(ImageNotFound):
        await service.catalog.pictures.remove_features("7", ["phash"])
    await service.catalog.pictures.remove_features("7", ["color"])
    with pytest.raises(ImageNotFound):
        await service.catalog.pictures.get("7")


async def test_an_image_that_was_stored_without_its_file_has_no_thumbnail(service: LocalService) -> None:
    record = (await service.catalog.pictures.add_features(single(1, "phash"))).record
    assert (await service.catalog.pictures.thumbnail("7"))[:2] == b"\xff\xd8"
    home = service.shards[shard_of("7", SHARDS)]
    rows = await home.ask(Features("7", ("phash",)), timeout_s=PATIENCE_S)
    await service.catalog.pictures.delete("7")
    bare = replace(record, width=0, height=0, sha256="", format="", byte_size=0)
    await home.apply(AddFeatures("imported", bare, rows or {}, b""), timeout_s=PATIENCE_S)
    assert await found(service, 1, "phash") == ["7"]
    with pytest.raises(ImageNotFound, match="'7' was stored without its file"):
        await service.catalog.pictures.thumbnail("7")


async def test_a_search_by_an_image_that_was_stored_without_a_feature_says_so(service: LocalService) -> None:
    await service.catalog.pictures.add_features(single(1, "phash"))
    answer = await service.catalog.searches.search(SearchRequest(ids=("7",)))
    assert answer.features["color"].status == "no_match"
    assert (answer.partial, [result.id for result in answer.results]) == (False, ["7"])
    with pytest.raises(ImageNotFound, match="without color"):
        await service.catalog.searches.search(SearchRequest(ids=("7",), features=("color",)))


async def test_file_names_lead_to_ids_in_every_shard(service: LocalService) -> None:
    for number in range(6):
        request = AddFeaturesRequest(photo(number), str(number), ("phash",), {"file_name": f"{number % 2}.jpg"})
        await service.catalog.pictures.add_features(request)
    assert await service.catalog.pictures.ids_of_file_name("1.jpg") == ["1", "3", "5"]
    assert await service.catalog.pictures.ids_of_file_name("2.jpg") == []

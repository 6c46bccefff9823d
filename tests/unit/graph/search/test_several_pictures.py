"""Searches by several pictures: near to all of them together, or near to each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph.requests.messages import AddRequest, SearchRequest
from storage.errors import ImageNotFound, InvalidField
from storage.operations.features import Features
from storage.shard.placement import shard_of
from tests.unit.graph.local_catalog import LocalService, local_service, photo
from tests.unit.waiting import PATIENCE_S

ONE, OTHER = photo(1), photo(2)
SEVERAL = SearchRequest(images=(ONE, OTHER))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LocalService]:
    with local_service(tmp_path, {"phash": {}, "color": {}, "fake": {}}) as running:
        yield running


async def fill(service: LocalService) -> None:
    for seed in range(12):
        await service.catalog.pictures.add(AddRequest(photo(seed), id=f"photo-{seed}"))


async def distances(service: LocalService, request: SearchRequest, feature: str) -> dict[str, float]:
    answer = await service.catalog.searches.search(replace(request, features=(feature,)))
    return {result.id: result.matches[feature]["distance"] for result in answer.results}


async def stored_row(service: LocalService, image_id: str, feature: str) -> Any:
    home = service.shards[shard_of(image_id, len(service.shards))]
    found = await home.ask(Features(image_id, (feature,)), timeout_s=PATIENCE_S)
    assert found is not None
    return found[feature].rows[0]


@pytest.mark.parametrize("feature", ["phash", "color", "fake"])
async def test_near_to_each_is_as_far_as_from_the_farthest(service: LocalService, feature: str) -> None:
    await fill(service)
    one, other = [await distances(service, SearchRequest(images=(image,)), feature) for image in (ONE, OTHER)]
    each = await distances(service, replace(SEVERAL, combine="all"), feature)
    assert each == pytest.approx({image_id: max(one[image_id], other[image_id]) for image_id in one}, abs=1e-6)
    stored = SearchRequest(images=(ONE,), ids=("photo-2",), combine="all")
    assert await distances(service, stored, feature) == pytest.approx(each, abs=1e-6)


async def test_together_a_hash_counts_by_the_nearest(service: LocalService) -> None:
    await fill(service)
    one, other = [await distances(service, SearchRequest(images=(image,)), "phash") for image in (ONE, OTHER)]
    together = await distances(service, SEVERAL, "phash")
    assert together == {image_id: min(one[image_id], other[image_id]) for image_id in one}


async def test_together_colours_and_vectors_count_by_their_mean(service: LocalService) -> None:
    await fill(service)
    one, other = [await stored_row(service, image_id, "fake") for image_id in ("photo-1", "photo-2")]
    mean = (one + other) / np.linalg.norm(one + other)
    assert (await distances(service, SEVERAL, "fake"))["photo-1"] == pytest.approx(1 - float(mean @ one), abs=1e-5)
    one, other = [await stored_row(service, image_id, "color") for image_id in ("photo-1", "photo-2")]
    half = float(np.abs(one - other).sum()) / 2
    assert (await distances(service, SEVERAL, "color"))["photo-1"] == pytest.approx(half, abs=1e-5)


async def test_which_view_of_which_picture_was_nearest_is_told(service: LocalService) -> None:
    await fill(service)
    for request in (SEVERAL, SearchRequest(images=(ONE,), ids=("photo-2",)), replace(SEVERAL, combine="all")):
        answer = await service.catalog.searches.search(replace(request, features=("phash",)))
        views = {result.matches["phash"]["view"] for result in answer.results}
        assert views <= {"as_given", "mirrored"}
        assert answer.results[0].matches["phash"]["view"] == "as_given" or request.combine == "all"


async def test_a_sentence_counts_as_much_beside_several_pictures_as_beside_one(service: LocalService) -> None:
    await fill(service)
    one = SearchRequest(images=(ONE,), text="a bridge")
    again = replace(one, images=(ONE, ONE, ONE))
    found = await distances(service, one, "fake")
    assert await distances(service, again, "fake") == pytest.approx(found, abs=1e-6)


async def test_the_bytes_of_each_win_a_tie(service: LocalService) -> None:
    await fill(service)
    for seed in (1, 2):
        await service.catalog.pictures.add(AddRequest(photo(seed) + b"\0", id=f"a-copy-of-{seed}"))
    answer = await service.catalog.searches.search(replace(SEVERAL, features=("phash",)))
    assert {result.id for result in answer.results[:2]} == {"photo-1", "photo-2"}


async def test_what_does_not_go_together_is_refused(service: LocalService) -> None:
    await fill(service)
    search = service.catalog.searches.search
    with pytest.raises(InvalidField, match="9 pictures to search with, the limit is 8"):
        await search(SearchRequest(images=(ONE,) * 4, ids=("photo-1",) * 5))
    with pytest.raises(InvalidField, match="aqe_n of fake does not go with combine=all"):
        await search(replace(SEVERAL, combine="all", params={"fake": {"aqe_n": 2}}))
    with pytest.raises(ImageNotFound, match="nobody"):
        await search(SearchRequest(ids=("photo-1", "nobody")))


@pytest.mark.slow
@pytest.mark.parametrize("combine", ["mean", "all"])
async def test_a_box_is_in_pixels_of_the_picture_that_was_found(tmp_path: Path, combine: str) -> None:
    with local_service(tmp_path, {"local": {}}) as service:
        await service.catalog.pictures.add(AddRequest(photo(1, (400, 300)), id="a"))
        request = SearchRequest(images=(photo(1, (400, 300)), photo(1, (800, 600))))
        [found] = (await service.catalog.searches.search(replace(request, combine=combine))).results  # type: ignore[arg-type]
        (scale, *_), *_ = found.matches["local"]["homography"]
        assert round(scale) in (1, 2)
        assert np.abs(np.array(found.matches["local"]["box"]) - [[0, 0], [400, 0], [400, 300], [0, 300]]).max() < 3

"""`farther` of each match: the share of the collection that is, whatever the filter and the number of shards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from graph.requests.messages import AddRequest, SearchRequest
from storage.errors import ShardUnavailable
from storage.filters.text_form import parse_filter
from tests.unit.graph.local_catalog import LocalService, local_service, photo

PICTURES = 12
SIZE = (320, 240)  # enough for keypoints


async def filled(service: LocalService) -> LocalService:
    for seed in range(PICTURES):
        await service.catalog.pictures.add(AddRequest(photo(seed, SIZE), id=f"photo-{seed}", metadata={"seed": seed}))
    return service


async def farther(service: LocalService, request: SearchRequest) -> Mapping[str, Mapping[str, float | None]]:
    """By feature and id."""
    found: dict[str, dict[str, float | None]] = {}
    for result in (await service.catalog.searches.search(request)).results:
        for name, match in result.matches.items():
            found.setdefault(name, {})[result.id] = match["farther"]
    return found


async def test_it_is_the_share_that_is_farther_whatever_the_number_of_shards(tmp_path: Path) -> None:
    features: dict[str, dict[str, Any]] = {"phash": {}, "color": {}, "local": {}}
    request = SearchRequest(images=(photo(3, SIZE),), k=PICTURES)
    each = []
    for shard_count in (1, 3):
        with local_service(tmp_path / str(shard_count), features, shard_count=shard_count) as service:
            each.append(await farther(await filled(service), request))
    one, three = each
    assert {name: one[name]["photo-3"] for name in one} == dict.fromkeys(features, round(1 - 1 / PICTURES, 6))
    assert three == one
    assert sorted(one["color"].values(), key=lambda share: share or 0) == pytest.approx(
        [n / PICTURES for n in range(PICTURES)], abs=1e-6
    )


async def test_a_filter_and_a_cut_leave_it_as_it_is(tmp_path: Path) -> None:
    with local_service(tmp_path) as service:
        await filled(service)
        plain = await farther(service, SearchRequest(images=(photo(3, SIZE),), k=PICTURES))
        for request in (
            SearchRequest(images=(photo(3, SIZE),), k=PICTURES, filter=parse_filter("metadata.seed > 7")),
            SearchRequest(images=(photo(3, SIZE),), k=2),
            SearchRequest(images=(photo(3, SIZE),), k=PICTURES, max_distance={"phash": 250}),
        ):
            found = await farther(service, request)
            assert any(found.values())
            for name, shares in found.items():
                assert shares == {image_id: plain[name][image_id] for image_id in shares}


async def test_it_is_null_where_a_shard_does_not_answer(tmp_path: Path) -> None:
    with local_service(tmp_path) as service:
        await filled(service)
        service.shards[1].failure = ShardUnavailable("down")
        found = await farther(service, SearchRequest(images=(photo(3, SIZE),), k=PICTURES))
        assert {share for shares in found.values() for share in shares.values()} == {None}

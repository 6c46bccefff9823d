"""Filters and orders over HTTP: which pictures come from shards, and what is refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from graph.config.settings import app_settings
from graph.http.app import create_http_app
from graph.requests.messages import AddRequest
from storage.operations.features import Features
from storage.shard.placement import shard_of
from storage.types.mutations import PutImage
from storage.types.pictures import Exif, SourceFile
from tests.unit.graph.http.conftest import BASE_URL
from tests.unit.graph.local_catalog import LocalService, local_service, photo

PICTURES = 12
TAKEN = ["2019-06-01T10:00:00", "2019-07-01T10:00:00+02:00", "2020-01-01T10:00:00", None]


async def put(service: LocalService, number: int) -> None:
    """A picture as the file /photos/YEAR/NUMBER.jpg; every sixth is gone."""
    image_id = f"photo-{number}"
    size = (100 + 10 * (number // 2), 100)
    await service.catalog.pictures.add(AddRequest(photo(number, size), id=image_id, metadata={"stars": number % 5}))
    stored = await service.catalog.pictures.get(image_id)
    shard = service.shards[shard_of(image_id, len(service.shards))]
    features = await shard.ask(Features(image_id, ("phash", "color")), timeout_s=10)
    record = replace(
        stored,
        source=SourceFile(f"/photos/{2019 + number % 2}/{number}.jpg", 1, 1),
        exif=Exif(taken_at=TAKEN[number % 4], camera="Canon EOS 5D" if number % 3 else None),
        missing=number % 6 == 5,
    )
    await shard.apply(PutImage(f"put {number}", record, features or {}, b"", "replace"), timeout_s=10)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    with local_service(tmp_path) as service:
        for number in range(PICTURES):
            await put(service, number)
        app = create_http_app(lambda: service.catalog, app_settings({}, {}))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE_URL) as client:
            yield client


def numbers(rows: list[dict[str, Any]]) -> list[int]:
    return [int(row["id"].removeprefix("photo-")) for row in rows]


async def listed(client: httpx.AsyncClient, **params: Any) -> list[int]:
    """All pages."""
    found: list[int] = []
    while True:
        answer = await client.get("/v1/images", params={"limit": 3, **params})
        assert answer.status_code == 200, answer.text
        found += numbers(answer.json()["images"])
        params["cursor"] = answer.json()["next_cursor"]
        if params["cursor"] is None:
            return found


async def test_a_list_has_the_pictures_of_its_filter_in_its_order(client: httpx.AsyncClient) -> None:
    there = [number for number in range(PICTURES) if number % 6 != 5]
    assert sorted(await listed(client)) == there
    assert sorted(await listed(client, filter='folder = "2019"')) == [one for one in there if one % 2 == 0]
    assert sorted(await listed(client, filter="taken_at = 2019-06")) == [0, 4, 8]
    assert await listed(client, filter="missing = true") == [11, 5]
    as_json = json.dumps(
        {"and": [{"field": "width", "op": ">=", "value": 130}, {"not": {"field": "camera", "op": "~", "value": "eos"}}]}
    )
    assert sorted(await listed(client, filter=as_json)) == [6, 9]
    by_width = await listed(client, sort="width", order="desc")
    assert by_width == [10, 8, 9, 6, 7, 4, 2, 3, 0, 1]
    assert await listed(client, sort="taken_at", filter="not metadata.stars = 1") == [0, 4, 8, 9, 10, 2, 3, 7]
    assert (await listed(client, sort="metadata.stars"))[:3] == [0, 10, 1]


async def test_a_search_finds_k_of_the_pictures_that_its_filter_means(client: httpx.AsyncClient) -> None:
    form = {"k": "3", "features": "phash", "filter": "width < 120"}
    answer = await client.post("/v1/search", files={"image": photo(9)}, data=form)
    assert sorted(numbers(answer.json()["results"])) == sorted({0, 1, 2, 3} & set(numbers(answer.json()["results"])))
    assert len(answer.json()["results"]) == 3
    body = {"id": "photo-9", "k": 20, "filter": {"field": "width", "op": ">=", "value": 140}}
    assert sorted(numbers((await client.post("/v1/search", json=body)).json()["results"])) == [8, 9, 10]
    similar = await client.get("/v1/images/photo-9/similar", params={"filter": 'path ~ "2020/"'})
    assert sorted(numbers(similar.json()["results"])) == [1, 3, 7, 9]
    everything = await client.post("/v1/search", json={"id": "photo-9", "k": 20})
    assert sorted(numbers(everything.json()["results"])) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"filter": "widht > 3"}, "filter, column 1: no field is called 'widht'"),
        ({"filter": "{"}, "filter: it is not JSON"),
        ({"filter": '{"field": "width"}'}, "filter: field and op are texts"),
        ({"sort": "widht"}, "sort: no field is called 'widht'"),
        ({"sort": "tags"}, "sort: pictures cannot be sorted by tags"),
        ({"order": "up"}, "order: Input should be 'asc' or 'desc'"),
        ({"cursor": "photo-1"}, "cursor: it is no cursor of a listing"),
        ({"cursor": "bnVsbA"}, "cursor: it is no cursor of a listing"),
        ({"cursor": "é"}, "cursor: it is no cursor of a listing"),
    ],
)
async def test_what_is_wrong_is_said(client: httpx.AsyncClient, params: dict[str, str], message: str) -> None:
    answer = await client.get("/v1/images", params=params)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_field")
    assert answer.json()["error"]["message"].startswith(message)


async def test_a_wrong_filter_of_a_search_is_refused(client: httpx.AsyncClient) -> None:
    for request in ({"json": {"id": "photo-1", "filter": 5}}, {"json": {"id": "photo-1", "filter": "width"}}):
        answer = await client.post("/v1/search", **request)
        assert answer.status_code == 422
        assert answer.json()["error"]["message"].startswith("filter")


@pytest.mark.parametrize("other", [{"filter": "width > 1"}, {"sort": "width"}, {"order": "desc"}])
async def test_a_cursor_belongs_to_one_listing(client: httpx.AsyncClient, other: dict[str, str]) -> None:
    cursor = (await client.get("/v1/images", params={"limit": 1})).json()["next_cursor"]
    answer = await client.get("/v1/images", params={"cursor": cursor, **other})
    assert answer.status_code == 422
    assert "another filter, sort or order" in answer.json()["error"]["message"]

"""``/v1/library``: the folders that the collection follows."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from graph.http.replies.openapi import LibraryRoots
from tests.unit.graph.http.fake_catalog import FakeCatalog


async def test_folders_are_listed_with_what_is_known_of_them(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/library")
    [root] = answer.json()["roots"]
    assert root == {
        "path": "/photos",
        "reachable": True,
        "pictures": 3,
        "missing": 1,
        "kept_out": 2,
        "passed_over": {".mp4": 8},
        "watched": False,
        "last_scan_at": "2023-11-14T22:13:20.000Z",
    }
    assert len(LibraryRoots.model_validate(answer.json()).roots) == 1


async def test_a_folder_is_watched_no_longer_watched_and_forgotten(
    client: httpx.AsyncClient, catalog: FakeCatalog
) -> None:
    watched = await client.post("/v1/library/watch", json={"path": "/photos"})
    assert (watched.status_code, watched.json()) == (202, {"id": "job-1"})
    assert (await client.post("/v1/library/unwatch", json={"path": "/photos"})).status_code == 204
    assert (await client.delete("/v1/library", params={"path": "/photos"})).status_code == 204
    library: Any = catalog.library
    assert library.asked == [("watch", "/photos"), ("unwatch", "/photos"), ("forget", "/photos")]


async def test_an_unknown_folder_is_404(client: httpx.AsyncClient) -> None:
    for answer in (
        await client.post("/v1/library/watch", json={"path": "/elsewhere"}),
        await client.post("/v1/library/unwatch", json={"path": "/elsewhere"}),
        await client.delete("/v1/library", params={"path": "/elsewhere"}),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("body", [{}, {"path": ""}, {"path": "a\0b"}, {"path": "/a", "more": 1}, {"path": ["/a"]}])
async def test_a_wrong_field_is_422(client: httpx.AsyncClient, body: dict[str, object]) -> None:
    assert (await client.post("/v1/library/watch", json=body)).status_code == 422
    assert (await client.delete("/v1/library")).status_code == 422

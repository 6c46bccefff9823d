"""``/v1/duplicates``: groups of the same picture."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from graph.http.replies.openapi import DuplicateGroups
from storage.errors import InvalidField, ShardUnavailable, UnknownFeature
from tests.unit.graph.http.conftest import MakeClient
from tests.unit.graph.http.fake_catalog import FakeCatalog
from tests.unit.graph.http.replies.test_errors import raising

PICTURE: dict[str, Any] = {"width": 640, "height": 480, "byte_size": 1000, "bytes": 1000, "sha256": "ab"}


async def test_a_page_has_groups_with_what_each_picture_is_to_the_one_to_keep(
    client: httpx.AsyncClient, catalog: FakeCatalog
) -> None:
    answer = await client.get("/v1/duplicates")
    duplicate = {
        **{"id": "b.jpg", "width": 64, "height": 48, "byte_size": 100, "bytes": 100, "sha256": "cd"},
        **{"path": "/b.jpg", "distance": 3, "format": "jpeg"},
        **{"relation": "same", "confidence": 0.98, "kept_because": ["pixels", "bytes"]},
    }
    group = {
        "keep": {**PICTURE, "id": "a.jpg", "path": None, "format": "png"},
        **{"duplicates": [duplicate], "left_out": 0, "relation": "same", "confidence": 0.98},
    }
    page = {"groups": [group], "next_cursor": "same.2.1.0.9", "looked_at": 5, "undecided": 0}
    assert (answer.status_code, answer.json()) == (200, page)
    assert DuplicateGroups.model_validate(answer.json()).groups[0].duplicates[0].relation == "same"
    assert catalog.related == [(None, 100, {"same"})]


async def test_relations_are_asked_for_beside_same(client: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    answer = await client.get("/v1/duplicates", params={"relation": "edited, crop", "limit": 7, "cursor": "x"})
    assert answer.status_code == 200
    assert catalog.related == [("x", 7, {"same", "edited", "crop"})]


async def test_by_a_threshold_nothing_is_judged(client: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    answer = await client.get("/v1/duplicates", params={"threshold": 64})
    unjudged = {"format": None, "relation": None, "confidence": None}
    duplicate = {**PICTURE, **unjudged, "id": "c.jpg", "path": "/photos/c.jpg", "distance": 3, "kept_because": []}
    keep = {**PICTURE, "id": "a/b.jpg", "path": None, "format": None}
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "groups": [{"keep": keep, "duplicates": [duplicate], "left_out": 7, "relation": None, "confidence": None}],
            "next_cursor": "64.2.0.9",
            "looked_at": 5,
            "undecided": 1,
        },
    )
    assert DuplicateGroups.model_validate(answer.json()).groups[0].duplicates[0].distance == 3
    assert catalog.walked == [(None, 100, 64)]


async def test_the_threshold_the_page_size_and_the_cursor_are_handed_on(
    client: httpx.AsyncClient, catalog: FakeCatalog
) -> None:
    answer = await client.get("/v1/duplicates", params={"threshold": 10, "limit": 7, "cursor": "10.2.1.3"})
    assert answer.status_code == 200
    assert catalog.walked == [("10.2.1.3", 7, 10)]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("threshold=-1", "threshold: Input should be greater than or equal to 0"),
        ("threshold=193", "threshold: Input should be less than or equal to 192"),
        ("threshold=1.5", "threshold: Input should be a valid integer, unable to parse string as an integer"),
        ("threshold=3&relation=same", "threshold: it does not go with relation"),
        ("limit=0", "limit: Input should be greater than or equal to 1"),
        ("limit=9999999", "limit: 9999999 is over the limit of 1000"),
        ("limit=1&limit=2", "limit: given more than once"),
        ("treshold=3", "unknown field 'treshold'"),
    ],
)
async def test_bad_fields_are_named(client: httpx.AsyncClient, query: str, message: str) -> None:
    answer = await client.get(f"/v1/duplicates?{query}")
    assert (answer.status_code, answer.json()["error"]["message"]) == (422, message)


@pytest.mark.parametrize(
    ("error", "status"),
    [(InvalidField("no cursor"), 422), (UnknownFeature("no phash"), 422), (ShardUnavailable("restarting"), 503)],
)
async def test_failures_have_their_status(
    make_client: MakeClient, catalog: FakeCatalog, error: Exception, status: int
) -> None:
    catalog.before = raising(error)
    for query in ("", "?threshold=3"):
        assert (await make_client().get(f"/v1/duplicates{query}")).status_code == status


async def test_decisions_are_made_listed_and_taken_back(client: httpx.AsyncClient) -> None:
    decision = {"a": "x", "b": "y", "decision": "keep", "note": "sharper"}
    made = await client.post("/v1/duplicates/decisions", json=decision)
    shown = {**decision, "id": "x-y", "decided_at": "2023-11-14T22:13:20.000Z"}
    assert (made.status_code, made.json()) == (201, shown)
    listed = await client.get("/v1/duplicates/decisions")
    assert (listed.status_code, listed.json()) == (200, {"decisions": [shown]})
    taken = [(await client.delete("/v1/duplicates/decisions/x-y")).status_code for _ in range(2)]
    assert taken == [204, 404]


@pytest.mark.parametrize("body", [{"a": "x", "b": "y"}, {"a": "x", "b": "y", "decision": "later"}, {"a": "x"}, {}])
async def test_a_decision_has_two_pictures_and_a_word(client: httpx.AsyncClient, body: dict[str, str]) -> None:
    assert (await client.post("/v1/duplicates/decisions", json=body)).status_code == 422

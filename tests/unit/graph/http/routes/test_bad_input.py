"""Bad uploads: each with its status and code, and nothing stored."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.unit.graph.http.conftest import MakeClient
from tests.unit.graph.http.fake_catalog import JPEG, FakeCatalog

PICTURE = {"image": ("a.jpg", JPEG, "image/jpeg")}

FAULTS: dict[str, tuple[dict[str, Any], int, str]] = {
    "an empty file": ({"files": {"image": ("a.jpg", b"", "image/jpeg")}}, 415, "unsupported_image"),
    "text named .jpg": ({"files": {"image": ("a.jpg", b"hello", "image/jpeg")}}, 415, "unsupported_image"),
    "no picture": ({"data": {"id": "a"}, "files": {}}, 400, "invalid_request"),
    "no picture in a form": ({"files": {"id": (None, "a")}}, 400, "invalid_request"),
    "JSON": ({"json": {"id": "a"}}, 400, "invalid_request"),
    "two pictures": ({"files": [("image", ("a", JPEG)), ("image", ("b", JPEG))]}, 422, "invalid_field"),
    "an unknown field": ({"files": PICTURE, "data": {"idd": "a"}}, 422, "invalid_field"),
    "an empty id": ({"files": PICTURE, "data": {"id": ""}}, 422, "invalid_field"),
    "an id of 300 characters": ({"files": PICTURE, "data": {"id": "a" * 300}}, 422, "invalid_field"),
    "an id of control characters": ({"files": PICTURE, "data": {"id": "a\tb"}}, 422, "invalid_field"),
    "an id that is not UTF-8": ({"files": {**PICTURE, "id": (None, b"\xff")}}, 422, "invalid_field"),
    "an unknown way out of conflict": ({"files": PICTURE, "data": {"on_conflict": "maybe"}}, 422, "invalid_field"),
    "metadata that is a list": ({"files": PICTURE, "data": {"metadata": "[1]"}}, 422, "invalid_field"),
    "metadata that is no JSON": ({"files": PICTURE, "data": {"metadata": "{"}}, 422, "invalid_field"),
    "metadata with NaN": ({"files": PICTURE, "data": {"metadata": '{"a": NaN}'}}, 422, "invalid_field"),
    "metadata with a lone surrogate": (
        {"files": PICTURE, "data": {"metadata": '{"a": "\\ud800"}'}},
        422,
        "invalid_field",
    ),
    "metadata without end": ({"files": PICTURE, "data": {"metadata": '{"a":' * 100_000}}, 422, "invalid_field"),
    "too much metadata": (
        {"files": PICTURE, "data": {"metadata": '{"a": "%s"}' % ("x" * 70_000)}},
        422,
        "invalid_field",
    ),
    "too many fields": ({"files": [("image", ("a", JPEG))] * 40}, 400, "invalid_request"),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_bad_upload_is_refused_and_nothing_is_stored(
    client: httpx.AsyncClient, catalog: FakeCatalog, name: str
) -> None:
    request, status, code = FAULTS[name]
    answer = await client.post("/v1/images", **request)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert not catalog.images


async def test_put_takes_no_id_beside_the_one_in_its_path(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v1/images/a", files=PICTURE, data={"id": "b"})
    assert (answer.status_code, answer.json()["error"]["message"]) == (422, "unknown field 'id'")


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "cursor=", "cursor=%00", "limt=1", "offset=1"])
async def test_a_bad_page_is_422(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/v1/images?{query}")).status_code == 422


async def test_limits_come_from_the_settings(make_client: MakeClient) -> None:
    client = make_client(
        {"limits": {"max_results": 5, "max_page_size": 5, "max_metadata_bytes": 10, "max_form_fields": 2}}
    )
    k = await client.post("/v1/search", files=PICTURE, data={"k": "6"})
    assert k.json()["error"]["message"] == "k: 6 is over the limit of 5"
    assert (await client.get("/v1/images?limit=6")).status_code == 422
    metadata = await client.post("/v1/images", files=PICTURE, data={"metadata": '{"a": "0123456789"}'})
    assert metadata.status_code == 422
    fields = await client.post("/v1/search", files=PICTURE, data={"k": "1", "text": "x"})
    assert (fields.status_code, fields.json()["error"]["message"]) == (400, "the form has more than 2 parts")

"""``/v1/compare``: which pictures may be named, and how."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from graph.requests.messages import CompareRequest
from tests.unit.graph.http.fake_catalog import JPEG, FakeCatalog

FILE = ("x.jpg", JPEG, "image/jpeg")
OTHER = ("y.jpg", JPEG + b"other", "image/jpeg")


BOTH_IDS = CompareRequest(None, "x", None, "y", True)


def of_id(image_id: str) -> tuple[None, str]:
    return None, image_id


@pytest.mark.parametrize(
    ("form", "asked"),
    [
        ({"a": FILE, "b": OTHER}, CompareRequest(a=JPEG, b=JPEG + b"other")),
        ({"a_id": of_id("x"), "b": FILE}, CompareRequest(a_id="x", b=JPEG)),
        ({"a": FILE, "b_id": of_id("x/y")}, CompareRequest(a=JPEG, b_id="x/y")),
        (
            {"a_id": of_id("x"), "b_id": of_id("y"), "explain": of_id("true")},
            BOTH_IDS,
        ),
    ],
)
async def test_either_picture_is_a_file_or_an_id(
    client: httpx.AsyncClient, catalog: FakeCatalog, form: Any, asked: CompareRequest
) -> None:
    answer = await client.post("/v1/compare", files=form)
    assert answer.status_code == 200, answer.text
    assert catalog.compared == [asked]
    assert answer.json().items() >= {"relation": "edited", "confidence": 0.98}.items()


@pytest.mark.parametrize(
    ("form", "status", "message"),
    [
        ({"a": FILE}, 400, "two pictures are compared, a and b"),
        ({"b_id": of_id("x")}, 400, "two pictures are compared, a and b"),
        ({"a": FILE, "a_id": of_id("x"), "b": FILE}, 400, "two pictures are compared, a and b"),
        ({"a": FILE, "b": ("x", b"")}, 415, "b: the picture is empty: 0 bytes"),
        ({"a": FILE, "b_id": of_id("")}, 422, "an image id of 0 characters"),
        ({"a": FILE, "b": FILE, "c": FILE}, 422, "unknown field 'c'"),
        ({"a": FILE, "b": FILE, "explain": of_id("perhaps")}, 422, "explain: "),
    ],
)
async def test_anything_else_is_refused(
    client: httpx.AsyncClient, catalog: FakeCatalog, form: Any, status: int, message: str
) -> None:
    answer = await client.post("/v1/compare", files=form)
    assert answer.status_code == status
    assert answer.json()["error"]["message"].startswith(message)
    assert not catalog.compared


async def test_two_pictures_are_a_form(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/compare", json={"a_id": "x", "b_id": "y"})).status_code == 400

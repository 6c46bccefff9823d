"""``/v1/tags`` and ``/v1/caption``: what a picture shows, in words."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from graph.http.replies.openapi import Caption, Tags
from storage.errors import ExtractorUnavailable, ImageTooLarge, LookalikeError
from tests.unit.graph.http.conftest import MakeClient
from tests.unit.graph.http.fake_catalog import ANNOTATIONS, JPEG, FakeCatalog
from tests.unit.graph.http.replies.test_errors import raising

PICTURE = {"image": ("a.jpg", JPEG, "image/jpeg")}
BOTH: dict[str, Any] = {"annotators": {"tags": {}, "caption": {}}}
NAMES = ["tags", "caption"]


async def test_a_picture_gets_its_tags_and_its_caption(make_client: MakeClient, catalog: FakeCatalog) -> None:
    client = make_client(BOTH)
    tags = await client.post("/v1/tags", files=PICTURE)
    caption = await client.post("/v1/caption", files=PICTURE)
    assert (tags.status_code, tags.json()) == (200, {"tags": ANNOTATIONS["tags"]})
    assert (caption.status_code, caption.json()) == (200, {"caption": ANNOTATIONS["caption"]})
    assert Tags.model_validate(tags.json()).tags[0].label == "airliner"
    assert Caption.model_validate(caption.json()).caption == "an airliner over the sea"
    assert catalog.annotated == [("tags", JPEG), ("caption", JPEG)]
    assert not catalog.images


@pytest.mark.parametrize("name", NAMES)
async def test_an_annotator_that_is_not_configured_is_404(
    make_client: MakeClient, catalog: FakeCatalog, name: str
) -> None:
    answer = await make_client().post(f"/v1/{name}", files=PICTURE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert "no annotator" in answer.json()["error"]["message"]
    assert not catalog.annotated


@pytest.mark.parametrize("name", NAMES)
async def test_an_annotator_without_its_model_is_503_with_reason_and_hint(
    make_client: MakeClient, catalog: FakeCatalog, name: str
) -> None:
    catalog.before = raising(ExtractorUnavailable("the model is not on this machine", "lookalike models pull"))
    answer = await make_client(BOTH).post(f"/v1/{name}", files=PICTURE)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (503, "extractor_unavailable")
    assert (error["message"], error["hint"]) == ("the model is not on this machine", "lookalike models pull")
    assert "retry-after" in answer.headers


FAULTS: dict[str, tuple[dict[str, Any], int, str]] = {
    "an empty file": ({"files": {"image": ("a.jpg", b"", "image/jpeg")}}, 415, "unsupported_image"),
    "text named .jpg": ({"files": {"image": ("a.jpg", b"hello", "image/jpeg")}}, 415, "unsupported_image"),
    "no picture": ({"files": {"imge": ("a.jpg", JPEG)}}, 422, "invalid_field"),
    "JSON": ({"json": {"id": "a"}}, 400, "invalid_request"),
    "an unknown field": ({"files": PICTURE, "data": {"k": "3"}}, 422, "invalid_field"),
    "two pictures": ({"files": [("image", ("a", JPEG)), ("image", ("b", JPEG))]}, 422, "invalid_field"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", NAMES)
async def test_a_bad_upload_is_refused_as_everywhere(make_client: MakeClient, name: str, fault: str) -> None:
    request, status, code = FAULTS[fault]
    answer = await make_client(BOTH).post(f"/v1/{name}", **request)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


async def test_a_picture_of_too_many_pixels_is_413(make_client: MakeClient, catalog: FakeCatalog) -> None:
    error: LookalikeError = ImageTooLarge("too many pixels", "send fewer")
    catalog.before = raising(error)
    answer = await make_client(BOTH).post("/v1/tags", files=PICTURE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "image_too_large")


async def test_openapi_says_that_a_picture_is_all_it_takes(client: httpx.AsyncClient) -> None:
    for name in NAMES:
        operation = (await client.get("/openapi.json")).json()["paths"][f"/v1/{name}"]["post"]
        form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
        assert (set(form["properties"]), form["required"]) == ({"image"}, ["image"])

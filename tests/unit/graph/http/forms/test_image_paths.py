"""Ids in paths: any character comes through when it is percent-encoded."""

from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from graph.http.forms.image_paths import EncodedPaths
from tests.unit.graph.http.fake_catalog import JPEG, THUMBNAIL, FakeCatalog

PICTURE = {"image": ("a.jpg", JPEG, "image/jpeg")}
IDS = [
    "a/b.jpg",
    "../x",
    "../../etc/passwd",
    "/absolute",
    "a/thumbnail",
    "thumbnail",
    "a/file",
    "a/similar",
    "/file",
    "ü ñ",
    "100%",
    "100%25",
    "%2F",
    "a?b#c",
    "a&b=c;d",
    "a//b",
    "a/",
    " ",
    "a\\b",
    "\U0001f600" * 256,
]


@pytest.mark.parametrize("image_id", IDS)
async def test_an_id_comes_through_every_route_when_it_is_encoded(
    client: httpx.AsyncClient, catalog: FakeCatalog, image_id: str
) -> None:
    url = f"/v1/images/{quote(image_id, safe='')}"
    assert (await client.put(url, files=PICTURE)).status_code == 201
    assert list(catalog.images) == [image_id]
    assert (await client.get(url)).json()["id"] == image_id
    assert (await client.get(f"{url}/thumbnail")).content == THUMBNAIL + image_id.encode()
    assert (await client.get(f"{url}/file")).content == JPEG
    assert (await client.get(f"{url}/similar")).status_code == 200
    assert catalog.searched[0].ids == (image_id,)
    assert (await client.delete(url)).status_code == 204


async def test_slashes_that_came_unencoded_are_part_of_the_id(client: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    await client.post("/v1/images", files=PICTURE, data={"id": "a/b/c.jpg"})
    assert (await client.get("/v1/images/a/b/c.jpg")).json()["id"] == "a/b/c.jpg"
    assert (await client.get("/v1/images/a/b/c.jpg/thumbnail")).status_code == 200


@pytest.mark.parametrize(
    "encoded",
    ["a" * 257, "%F0%9F%98%80" * 257, "a%00b", "a%0Ab", "%7F", "%C2%85", "%FF", "%ED%A0%80", ""],
    ids=["long", "long emoji", "null", "newline", "delete", "C1", "not UTF-8", "surrogate", "empty"],
)
async def test_an_id_that_no_image_can_have_is_422(client: httpx.AsyncClient, encoded: str) -> None:
    for method, part in (("GET", ""), ("GET", "/thumbnail"), ("DELETE", "")):
        answer = await client.request(method, f"/v1/images/{encoded}{part}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_field")


@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=256))
async def test_any_text_is_an_id(client: httpx.AsyncClient, image_id: str) -> None:
    assume(image_id not in {".", ".."})  # clients drop these two from a path, however they are written
    answer = await client.put(f"/v1/images/{quote(image_id, safe='')}", files=PICTURE)
    assert answer.json()["id"] == image_id


@pytest.mark.parametrize(
    ("root", "path", "raw", "expected"),
    [
        ("", "/v1/images/a/b", b"/v1/images/a%2Fb", "/v1/images/a%2Fb"),
        ("", "/v1/images/a/b", b"/v1/images/a%2Fb?limit=1", "/v1/images/a%2Fb"),
        ("", "/v1/images/a/b", None, "/v1/images/a/b"),
        ("", "/v1/images/100%", None, "/v1/images/100%25"),
        ("/x", "/x/v1/images/a/b", b"/x/v1/images/a%2Fb", "/x/v1/images/a%2Fb"),
        ("/x", "/x/v1/images/a/b", b"/v1/images/a%2Fb", "/x/v1/images/a%2Fb"),
        ("", "/v1/images/ü", "/v1/images/ü".encode(), "/v1/images/%C3%BC"),
        ("", "/v1/search", b"/v1/search", "/v1/search"),
    ],
)
async def test_the_path_is_kept_as_it_was_sent_below_the_images(
    root: str, path: str, raw: bytes | None, expected: str
) -> None:
    seen: list[str] = []

    async def app(scope: object, receive: object, send: object) -> None:
        assert isinstance(scope, dict)
        seen.append(scope["path"])

    scope = {"type": "http", "root_path": root, "path": path, "raw_path": raw}
    await EncodedPaths(app)(scope, None, None)  # type: ignore[arg-type]
    assert seen == [expected]

"""What the service says of itself, its documentation and its page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from graph.http.page import HERE, static_files
from graph.http.replies.openapi import FeatureList, Stats, Verified
from graph.requests.messages import Readiness
from storage.errors import Unavailable
from tests.unit.graph.http.fake_catalog import JPEG, FakeCatalog
from tests.unit.graph.http.replies.test_errors import raising

PICTURE = {"image": ("a.jpg", JPEG, "image/jpeg")}

ROUTES = {
    ("post", "/v1/images"),
    ("get", "/v1/images"),
    ("put", "/v1/images/{id}"),
    ("get", "/v1/images/{id}"),
    ("delete", "/v1/images/{id}"),
    ("get", "/v1/images/{id}/thumbnail"),
    ("get", "/v1/images/{id}/file"),
    ("get", "/v1/images/{id}/similar"),
    ("post", "/v1/search"),
    ("post", "/v1/compare"),
    ("post", "/v1/tags"),
    ("post", "/v1/caption"),
    ("get", "/v1/duplicates"),
    ("post", "/v1/duplicates/decisions"),
    ("get", "/v1/duplicates/decisions"),
    ("delete", "/v1/duplicates/decisions/{id}"),
    ("get", "/v1/features"),
    ("get", "/v1/stats"),
    ("post", "/v1/verify"),
    ("post", "/v1/train"),
    ("delete", "/v1/thresholds"),
    ("get", "/metrics"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("post", "/v1/jobs"),
    ("get", "/v1/jobs"),
    ("get", "/v1/jobs/{id}"),
    ("get", "/v1/jobs/{id}/failures"),
    ("post", "/v1/jobs/{id}/stop"),
    ("get", "/v1/library"),
    ("delete", "/v1/library"),
    ("post", "/v1/library/watch"),
    ("post", "/v1/library/unwatch"),
}


async def openapi(client: httpx.AsyncClient) -> dict[str, Any]:
    document: dict[str, Any] = (await client.get("/openapi.json")).json()
    return document


async def test_openapi_has_every_route_of_the_interface_and_no_other(client: httpx.AsyncClient) -> None:
    paths = (await openapi(client))["paths"]
    assert {(method, path) for path, operations in paths.items() for method in operations} == ROUTES


async def test_openapi_describes_every_route_field_and_the_error_shape(client: httpx.AsyncClient) -> None:
    document = await openapi(client)
    assert {"ErrorAnswer", "SearchResults", "ImageRow"} <= set(document["components"]["schemas"])
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            assert all(one.get("description") for one in operation.get("parameters", ())), path
            assert ("{id}" in path) == any(one["name"] == "id" for one in operation.get("parameters", ())), path
            for status, answer in operation["responses"].items():
                shown = answer.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
                assert shown.endswith(("/ErrorAnswer", "/NotReady")) == (int(status) >= 400), (path, status)


async def test_openapi_has_no_answer_that_was_not_made_a_schema(client: httpx.AsyncClient) -> None:
    schemas = (await openapi(client))["components"]["schemas"]
    assert not [name for name, schema in schemas.items() if schema["additionalProperties"] is not False]
    assert schemas["ImageRow"]["required"] == list(schemas["ImageRow"]["properties"])
    assert schemas["FeatureOutcome"]["required"] == ["status", "took_ms"]


async def test_openapi_lists_the_fields_of_a_search_in_both_forms(client: httpx.AsyncClient) -> None:
    body = (await openapi(client))["paths"]["/v1/search"]["post"]["requestBody"]["content"]
    fields = {
        "id",
        "combine",
        "text",
        "text_not",
        "features",
        "k",
        "weights",
        "max_distance",
        "params",
        "filter",
        "distinct",
        "cursor",
        "relevance",
        "explain",
    }
    assert set(body["application/json"]["schema"]["properties"]) == fields
    assert set(body["multipart/form-data"]["schema"]["properties"]) == {"image", *fields}


async def test_every_reference_of_openapi_leads_somewhere(client: httpx.AsyncClient) -> None:
    answer = await client.get("/openapi.json")
    known = set(answer.json()["components"]["schemas"])
    assert set(re.findall(r'"#/components/schemas/(\w+)"', answer.text)) <= known
    assert '"#/$defs' not in answer.text


async def test_features_stats_and_verification_have_their_documented_shapes(
    client: httpx.AsyncClient, catalog: FakeCatalog
) -> None:
    features = FeatureList.model_validate((await client.get("/v1/features")).json())
    phash, tags = features.features
    assert (phash.name, phash.role, phash.next_version) == ("phash", "extractor", None)
    assert (tags.name, tags.role, tags.next_version) == ("tags", "annotator", "2")
    shown = (await client.get("/v1/stats")).json()
    assert shown["thresholds"]["least_confidence"] == 0.9
    stats = Stats.model_validate(shown)
    assert stats.pending == {"color": 3}
    assert Verified.model_validate((await client.post("/v1/verify")).json()).ok
    catalog.problems = ("row 7 is missing from the index",)
    verified = Verified.model_validate((await client.post("/v1/verify")).json())
    assert (verified.ok, verified.shards[0].problems) == (False, catalog.problems)


async def test_readiness_is_503_with_what_is_missing(client: httpx.AsyncClient, catalog: FakeCatalog) -> None:
    assert (await client.get("/readyz")).json() == {"ready": True, "missing": []}
    catalog.ready = Readiness(False, ("shard 1 does not answer",))
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["shard 1 does not answer"])
    assert answer.json()["error"]["message"] == "not ready: shard 1 does not answer"
    catalog.before = raising(Unavailable("the service is starting"))
    assert (await client.get("/readyz")).json()["missing"] == ["the service is starting"]
    assert (await client.get("/healthz")).json() == {"status": "ok"}


def test_every_element_that_the_pages_scripts_look_for_is_there() -> None:
    page = HERE / "page"
    there = set(re.findall(r'\bid="([\w-]+)"', (page / "index.html").read_text()))
    for script in page.glob("*.js"):
        assert set(re.findall(r'byId\("([\w-]+)"\)', script.read_text())) <= there, script.name


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_pages_load_only_their_own_files(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    linked = re.findall(r'(?:src|href)="([^"#]+)"', answer.text)
    assert linked
    for link in linked:
        assert (await client.get(f"/{link}")).status_code == 200, link
    assert "<script>" not in answer.text
    assert not re.search(r"\son\w+=|<style|style=", answer.text)


async def test_a_page_that_has_not_changed_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/page/app.js")
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    again = await client.get("/page/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_only_files_of_known_types_are_served(tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    for name in ("index.html", "app.js", "notes.txt", "module.py"):
        (tmp_path / "page" / name).write_text("x")
    assert set(static_files(tmp_path)) == {"/", "/page/app.js"}


@pytest.mark.parametrize("file", sorted(HERE.glob("*page/*.[jhc]s*")), ids=lambda file: file.name)
def test_no_page_asks_another_site(file: Path) -> None:
    addresses = re.findall(r"https?://[^\s\"'`)]+", file.read_text(encoding="utf-8"))
    assert not [address for address in addresses if not address.startswith("http://www.w3.org/")]

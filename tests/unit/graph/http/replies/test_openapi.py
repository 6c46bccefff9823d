"""The document of ``/openapi.json``, route by route: what it shows works, and what it does not say is not answered.

That holds for every answer to any test beside this one, too: their clients check it (`documented.checking`).
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from graph.config.settings import app_settings
from graph.http.app import create_http_app
from graph.http.replies.openapi import EXAMPLE_FILE, TAGS
from graph.http.routes.service import HEALTH_PATHS
from graph.requests.messages import PartReport, SearchAnswer, SearchRequest
from lookalike_client.matches import Match
from storage.types.decisions import Decision
from tests.unit.graph.http.conftest import Applications, MakeClient
from tests.unit.graph.http.documented import check_documented
from tests.unit.graph.http.fake_catalog import JPEG, FakeCatalog

EVERYTHING: dict[str, Any] = {
    "ambience": {"enabled": True},
    "extractors": {name: {} for name in ("phash", "color", "local", "global", "image_text")},
    "annotators": {"tags": {}, "caption": {}},
}
DOCUMENT = create_http_app(FakeCatalog().parts, app_settings(EVERYTHING, {})).openapi()
OPERATIONS = [(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods]
ADDING = ("/v1/images", "/calculate_")


class WholeCatalog(FakeCatalog):
    """Every feature finds something, and something was decided."""

    def __init__(self) -> None:
        super().__init__()
        decided = Decision("bridge.jpg", "a", "b", "keep", None, 1.0, "", "")
        self.decisions.made[decided.id] = decided

    async def search(self, request: SearchRequest) -> SearchAnswer:
        found = await super().search(request)
        matches = {name: Match({"distance": 0.5, "inliers": 83, "rank": 1}) for name in EVERYTHING["extractors"]}
        reports = {name: PartReport("ok", 2.1) for name in matches}
        return SearchAnswer((replace(found.results[0], matches=matches),), reports, False, (), 18.4)


def sent(media_type: str, body: dict[str, Any]) -> dict[str, Any]:
    """A body as an httpx client takes it."""
    if media_type == "application/json":
        return {"json": body}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
    return {"files": {name: ("a.jpg", JPEG) if text == EXAMPLE_FILE else (None, text) for name, text in texts.items()}}


def requests(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """The examples of an operation: one for each of its bodies, and what its query has to say."""
    contents = operation.get("requestBody", {}).get("content", {})
    bodies = [
        sent(kind, example["value"]) for kind, content in contents.items() for example in content["examples"].values()
    ]
    query = {
        one["name"]: one["schema"]["examples"][0]
        for one in operation.get("parameters", ())
        if one["in"] == "query" and one["required"]
    }
    return [{"params": query, **body} for body in bodies or [{}]]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_examples_of_a_route_work_and_are_answered_as_documented(
    applications: Applications, make_client: MakeClient, method: str, path: str
) -> None:
    operation = DOCUMENT["paths"][path][method]
    for request in requests(operation):
        applications.catalog = catalog = WholeCatalog()
        client = make_client(EVERYTHING)
        job = await catalog.jobs.submit_index(["/photos"], id_from="path", on_conflict="skip")
        if not (method == "post" and path.startswith(ADDING)):
            for image_id in ("12", "bridge.jpg"):
                await client.put(f"/v1/images/{image_id}", files={"image": JPEG})
        address = path.replace("{id}", job if "/jobs/" in path else "bridge.jpg")
        answer = await client.request(method.upper(), address, **request)
        assert answer.is_success, (request, answer.text)
        check_documented(DOCUMENT, operation, answer)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_a_route_says_how_it_answers(make_client: MakeClient, method: str, path: str) -> None:
    operation = DOCUMENT["paths"][path][method]
    assert operation["summary"]
    assert operation["tags"][0] in TAGS
    for status, answer in operation["responses"].items():
        assert answer["description"], status
        assert all(content["schema"] for content in answer.get("content", {}).values()), status
    refused = await make_client({**EVERYTHING, "api_keys": ["a-long-key"]}).request(method.upper(), path)
    assert refused.status_code == 401 or path in HEALTH_PATHS
    check_documented(DOCUMENT, operation, refused)


def test_fields_of_forms_and_query_strings_are_never_null() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            form = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data", {})
            shapes = [*form.get("schema", {}).get("properties", {}).values()]
            shapes += [one["schema"] for one in operation.get("parameters", ())]
            assert all(shape.get("description") for shape in shapes), path
            assert '"null"' not in json.dumps(shapes), path

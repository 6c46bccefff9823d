"""The switch: off, there is nothing of it; on, programs are greeted and people get the page."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from graph.config.serve_file import load_config_file
from graph.config.settings import AppSettings, app_settings
from graph.http.app import create_http_app
from tests.unit.graph.http.ambience.conftest import EVERYTHING
from tests.unit.graph.http.conftest import MakeClient
from tests.unit.graph.http.fake_catalog import FakeCatalog

ROOT = Path(__file__).resolve().parents[5]
PROBE = """
import sys
from graph.http.app import create_http_app
from graph.config.settings import AppSettings
create_http_app(lambda: None, AppSettings())
sys.exit(any(name.startswith("graph.http.ambience") for name in sys.modules))
"""
ORIGINAL_PATHS = {
    "/phash_get_similar_images_by_image_buffer", "/phash_get_similar_images_by_id",
    "/calculate_phash_features", "/delete_phash_features",
    "/color_get_similar_images_by_image_buffer", "/color_get_similar_images_by_id",
    "/calculate_color_features", "/delete_color_features",
    "/global_features_get_similar_images_by_image_buffer", "/global_features_get_similar_images_by_id",
    "/calculate_global_features", "/delete_global_features",
    "/image_text_features_get_similar_images_by_image_buffer", "/image_text_features_get_similar_images_by_id",
    "/image_text_features_get_similar_images_by_text",
    "/calculate_image_text_features", "/delete_image_text_features",
    "/local_features_get_similar_images_by_image_buffer", "/local_features_get_similar_images_by_id",
    "/calculate_local_features", "/delete_local_features",
    "/get_image_tags", "/get_image_caption",
    "/reverse_search", "/calculate_all_image_features", "/delete_all_image_features",
}  # fmt: skip


@cache
def documented(*, on: bool) -> dict[str, Any]:
    """By path, what OpenAPI says."""
    settings = app_settings(EVERYTHING, {}) if on else AppSettings()
    paths: dict[str, Any] = create_http_app(FakeCatalog().parts, settings).openapi()["paths"]
    return paths


def test_every_original_route_is_there_where_it_is_switched_on() -> None:
    assert documented(on=True).keys() - documented(on=False).keys() == ORIGINAL_PATHS


def test_the_routes_are_documented_under_their_own_tag() -> None:
    for path in ORIGINAL_PATHS:
        route = documented(on=True)[path]["post"]
        assert route["tags"] == ["ambience"]
        assert route["requestBody"]["content"]
        assert {"200", "422", "503"} <= route["responses"].keys()


@pytest.mark.parametrize("path", sorted(ORIGINAL_PATHS))
async def test_switched_off_a_route_is_404(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, json={"image_id": 1, "k": 1})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.slow
def test_switched_off_nothing_of_it_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["local.yaml", "semantic.yaml", "gpu.yaml"])
def test_the_configurations_that_people_start_with_have_it_switched_on(name: str) -> None:
    settings = load_config_file(ROOT / "configs" / name, {}).app
    assert settings.ambience.enabled
    assert not settings.ambience.filenames


async def test_programs_are_greeted_and_people_get_the_page(make_client: MakeClient) -> None:
    client = make_client(EVERYTHING)
    for accept in ("*/*", "application/json, text/plain, */*", ""):
        answer = await client.get("/", headers={"Accept": accept})
        assert (answer.status_code, answer.json()) == (200, {"Hello": "World"})
        assert answer.headers["vary"] == "Accept"
    page = await client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["vary"] == "Accept"
    again = {"Accept": "*/*", "If-None-Match": page.headers["etag"]}
    assert (await client.get("/", headers=again)).json() == {"Hello": "World"}


async def test_the_greeting_needs_no_key(make_client: MakeClient) -> None:
    client = make_client({**EVERYTHING, "api_keys": ["first-secret"]})
    assert (await client.get("/")).json() == {"Hello": "World"}


async def test_switched_off_everyone_gets_the_page(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "vary" not in answer.headers


def test_the_page_of_documentation_names_every_route_parameter_and_setting() -> None:
    page = (ROOT / "docs" / "ambience.md").read_text("utf-8")
    assert not {path for path in ORIGINAL_PATHS if f"`{path}`" not in page}
    schemas = [
        content["schema"]
        for path in ORIGINAL_PATHS
        for content in documented(on=True)[path]["post"]["requestBody"]["content"].values()
    ]
    assert not {name for schema in schemas for name in schema["properties"] if f"`{name}`" not in page}

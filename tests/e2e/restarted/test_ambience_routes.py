"""The original services' routes on a running service, beside the page and ``/v1``."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from graph.client import Client
from tests.e2e.running_service import RunningService
from tests.unit.graph.http.ambience.original_algorithms import color_distance, packaged_photos, phash_distance

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PHOTOS = packaged_photos()
FEATURES = ("phash", "color", "local")


@pytest.fixture
def http(running: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=60, trust_env=False) as client:
        yield client


def form(http: httpx.Client, path: str, image: bytes, **numbers: object) -> httpx.Response:
    data = {name: str(value) for name, value in numbers.items()}
    return http.post(path, files={"image": ("document", image)}, data=data)


def test_a_client_of_the_originals_adds_finds_and_deletes(running: RunningService, http: httpx.Client) -> None:
    astronaut, china = PHOTOS["astronaut.png"], PHOTOS["china.jpg"]
    for feature in FEATURES:
        added = form(http, f"/calculate_{feature}_features", astronaut, image_id=12)
        assert (added.status_code, added.content) == (200, b"")
    taken = form(http, "/calculate_phash_features", astronaut, image_id=12)
    assert (taken.status_code, taken.text) == (500, "Image with the same id is already in the db")
    with Client(running.url) as client:
        client.add(china, id="7", metadata={"file_name": "china.jpg"})
        assert [result.id for result in client.search(astronaut, features=["color"], k=1).results] == ["12"]
    assert form(http, "/phash_get_similar_images_by_image_buffer", china, k=5).json() == [
        {"image_id": 7, "distance": 0, "file_name": "china.jpg"},
        {"image_id": 12, "distance": phash_distance(china, astronaut), "file_name": "12.online"},
    ]
    near, far = http.post("/color_get_similar_images_by_id", json={"image_id": 7, "k": "5"}).json()
    assert (near["image_id"], near["distance"]) == (7, 0.0)
    assert far["distance"] == pytest.approx(color_distance(china, astronaut), rel=1e-6)
    found: dict[str, Any] = form(http, "/reverse_search", crop(astronaut)).json()
    assert found["local_features_res"][0]["image_id"] == 12
    assert found["local_features_res"][0]["matches"] >= 20
    assert found["unified_res"][0]["image_id"] == 12
    assert form(http, "/reverse_search", china, find_duplicate=1).json()["duplicate"][0]["image_id"] == 7
    deleted = http.post("/delete_all_image_features", json={"image_id": 12}).json()
    assert [one["status"] for one in deleted] == ["fulfilled"] * len(FEATURES)
    assert http.post("/delete_phash_features", json={"file_name": "china.jpg"}).content == b""
    assert form(http, "/reverse_search", astronaut, find_duplicate=1).json() == {}
    unknown = http.post("/phash_get_similar_images_by_id", json={"image_id": 12, "k": 5})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "image_not_found")
    assert "no image has the id '12'" in unknown.json()["detail"]


def test_programs_are_greeted_and_people_get_the_page(http: httpx.Client) -> None:
    assert http.get("/").json() == {"Hello": "World"}
    assert http.get("/", headers={"Accept": "text/html"}).text.startswith("<!doctype html>")


def test_a_service_that_is_not_configured_says_so(http: httpx.Client) -> None:
    answer = form(http, "/global_features_get_similar_images_by_image_buffer", PHOTOS["china.jpg"], k=5)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "extractor_unavailable")


def crop(data: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").crop((160, 60, 420, 300)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()

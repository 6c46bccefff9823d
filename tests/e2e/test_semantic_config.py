"""``configs/semantic.yaml`` as it is shipped, on a machine that has none of its models and no network."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest
from PIL import Image

from graph.client import Client, FeatureReport
from tests.e2e.running_service import ROOT, service, wait_for
from tests.unit.deployments.models.shapes_clip import COLORS, shape_picture

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

READY_S = 120.0
TOLD_S = 10.0
BY_MODELS = ("global", "image_text", "caption")
NOWHERE = "http://127.0.0.1:9"  # in the hub's place, and nobody listens


def by_name(client: Client) -> dict[str, FeatureReport]:
    return {one.name: one for one in client.features()}


def reasons_are_told(client: Client) -> bool:
    told = by_name(client)
    return all(told[name].state == "unavailable" and "lookalike models pull" in told[name].reason for name in BY_MODELS)


def pictures(folder: Path) -> list[Path]:
    """Two shapes a colour, enlarged."""
    paths = []
    for color in list(COLORS)[:3]:
        for shape in ("square", "triangle"):
            paths.append(folder / f"{color}-{shape}.png")
            Image.fromarray(shape_picture(color, shape, 1)).resize((320, 320)).save(paths[-1])
    return paths


def test_without_models_and_network_it_starts_says_what_is_missing_and_finds_copies(tmp_path: Path) -> None:
    environment = {"HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": NOWHERE}
    started = time.monotonic()
    with (
        service(tmp_path / "data", config=ROOT / "configs" / "semantic.yaml", environment=environment) as running,
        Client(running.url) as client,
    ):
        took_s = time.monotonic() - started
        print(f"ready after {took_s:.0f} s")
        assert took_s < READY_S
        wait_for(lambda: reasons_are_told(client), f"each part says why: {client.features()}", TOLD_S)
        tags = by_name(client)["tags"]
        assert tags.state == "unavailable"
        assert "image_text" in tags.reason

        for path in pictures(tmp_path):
            client.add(path, id=path.name)
            features = client.get(path.name).features
            assert [features[name] for name in ("phash", "color", "local")] == ["ok"] * 3
            assert [features[name] for name in ("global", "image_text", "tags")] == ["pending"] * 3

        asked = pictures(tmp_path)[3]
        for name in ("phash", "color", "local"):
            assert client.search(asked, features=[name], k=1).results[0].id == asked.name
        sentence = {"text": "a red square"}
        answer = httpx.post(f"{running.url}/v1/search", json=sentence, timeout=30).json()
        assert (answer["results"], answer["partial"], answer["features"]["text"]["status"]) == ([], True, "ok")
        assert "lookalike models pull" in answer["features"]["image_text"]["reason"]
        refused = httpx.post(f"{running.url}/v1/search", json={**sentence, "features": ["image_text"]}, timeout=30)
        assert refused.status_code == 503
        assert "google/siglip2-base-patch16-224" in refused.text
        assert "lookalike models pull" in refused.text

"""``configs/semantic.yaml`` as it is shipped, on a machine that has none of its models and no network: it says so,
finds copies, and finds the words in pictures, which need no model that is fetched.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from PIL import Image

from graph.client import Client, FeatureReport
from tests.e2e.running_service import ROOT, RunningService, service, wait_for
from tests.unit.deployments.models.shapes_clip import COLORS, shape_picture
from tests.unit.graph.local_catalog import photo
from tests.unit.graph.signs import sign

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

READY_S = 120.0
TOLD_S = 10.0
BY_MODELS = ("global", "image_text", "caption")
SIGNS = {"smyth": "Please receive\nGOODS at Smyth", "menu": "Café menu", "poster": "red circle"}
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


@dataclass(frozen=True)
class Shipped:
    """The service, and how long it took to start."""

    running: RunningService
    took_s: float


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    folder = tmp_path_factory.mktemp("semantic")
    environment = {"HF_HOME": str(folder / "hf"), "HF_ENDPOINT": NOWHERE}
    started = time.monotonic()
    with service(folder / "data", config=ROOT / "configs" / "semantic.yaml", environment=environment) as running:
        yield Shipped(running, time.monotonic() - started)


@pytest.fixture
def client(shipped: Shipped) -> Iterator[Client]:
    with Client(shipped.running.url) as opened:
        yield opened


def test_without_models_and_network_it_starts_says_what_is_missing_and_finds_copies(
    shipped: Shipped, client: Client, tmp_path: Path
) -> None:
    assert shipped.took_s < READY_S
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
    url = f"{shipped.running.url}/v1/search"
    answer = httpx.post(url, json=sentence, timeout=30).json()
    assert (answer["results"], answer["partial"], answer["features"]["text"]["status"]) == ([], True, "ok")
    assert "lookalike models pull" in answer["features"]["image_text"]["reason"]
    refused = httpx.post(url, json={**sentence, "features": ["image_text"]}, timeout=30)
    assert refused.status_code == 503
    assert "google/siglip2-base-patch16-224" in refused.text
    assert "lookalike models pull" in refused.text
    for path in pictures(tmp_path):
        client.delete(path.name)


@pytest.fixture(scope="module")
def signs(shipped: Shipped, tmp_path_factory: pytest.TempPathFactory) -> RunningService:
    """The service with a folder of signs indexed and read."""
    pytest.importorskip("rapidocr")
    folder = tmp_path_factory.mktemp("signs")
    for name, text in SIGNS.items():
        (folder / f"{name}.jpg").write_bytes(sign(text))
    with Client(shipped.running.url) as client:
        wait_for(lambda: by_name(client)["text"].state == "ready", "text is ready", 120)
        done = shipped.running.run("index", str(folder), "--id-from", "stem", timeout_s=300)
        assert done.returncode == 0, done.stderr
        wait_for(lambda: client.stats().pending.get("text", 0) == 0, "all pictures are read", 120)
    return shipped.running


@pytest.mark.parametrize(
    ("text", "found"), [("receive", "smyth"), ("recieve", "smyth"), ("Smith", "smyth"), ("CAFE", "menu")]
)
def test_the_shell_finds_words_as_they_are_typed(signs: RunningService, text: str, found: str) -> None:
    answer = signs.run("search", "--text", text, "--features", "text", "--all", "--json")
    assert answer.returncode == 0, answer.stderr
    results = json.loads(answer.stdout)["results"]
    assert [result["id"] for result in results] == [found]
    [word] = results[0]["matches"]["text"]["words"]
    assert word["query"] == text
    assert len(word["box"]) == 4


def test_an_upload_is_found_by_its_words_at_once(signs: RunningService, client: Client) -> None:
    client.add(sign("zeppelin landing"), id="upload")
    assert client.get("upload").features["text"] == "ok"
    assert [result.id for result in client.search(text="Zepelin", features=["text"]).results] == ["upload"]
    found = client.search(image=sign("Zeppelin"), features=["text"]).results
    assert [result.id for result in found] == ["upload"]
    client.delete("upload")
    assert client.search(text="zeppelin", features=["text"]).results == ()


def test_a_picture_without_words_is_read_and_matches_nothing(signs: RunningService, client: Client) -> None:
    client.add(photo(7), id="plain")
    answer = client.search(image=photo(7), features=["text"])
    assert (answer.results, answer.partial) == ((), False)
    client.delete("plain")

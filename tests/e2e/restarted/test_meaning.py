"""Models through the whole service: words find pictures, tags, captions, a model that comes later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import httpx
import pytest

from graph.client import Client
from tests.e2e.restarted.conftest import EACH
from tests.e2e.restarted.pictures import feature, shape_file
from tests.e2e.running_service import RunningService, wait_for
from tests.unit.deployments.models.shapes_clip import COLORS, SHAPES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture
def client(with_models: RunningService) -> Iterator[Client]:
    with Client(with_models.url) as opened:
        yield opened


def share_of(ids: list[str], start: str) -> float:
    return sum(image_id.startswith(start) for image_id in ids) / len(ids)


def found(client: Client, **asked: Any) -> list[str]:
    return [one.id for one in client.search(features=["image_text"], k=10, **asked).results]


def test_without_its_model_a_feature_says_why_and_the_service_is_ready(client: Client, models: Path) -> None:
    told = feature(client, "global")
    assert told.state == "unavailable"
    assert str(models / "later") in told.reason
    assert feature(client, "image_text").state == "ready"
    assert feature(client, "caption").role == "annotator"
    assert client.ready().ready


def test_a_batch_takes_in_every_picture_with_its_tags(client: Client, shapes: CompletedProcess[str]) -> None:
    assert shapes.returncode == 0, shapes.stderr
    assert f"indexed {len(COLORS) * len(SHAPES) * EACH} new" in shapes.stdout
    row = client.get("red-circle-3.png")
    assert row.features["image_text"] == "ok"
    assert row.features["global"] == "pending"
    assert row.features["tags"] == "ok"
    labels = [client.get(f"{color}-{form}-1.png").tags[0].label for color in COLORS for form in SHAPES]
    wanted = [f"{color} {form}" for color in COLORS for form in SHAPES]
    assert sum(one == other for one, other in zip(labels, wanted, strict=True)) >= 0.8 * len(wanted)


@pytest.mark.parametrize(("color", "shape"), [("red", "circle"), ("blue", "triangle")])
def test_words_find_pictures_by_http_and_from_the_shell(
    with_models: RunningService, client: Client, shapes: object, color: str, shape: str
) -> None:
    ids = found(client, text=f"a {color} {shape}")
    assert share_of(ids, f"{color}-{shape}") >= 0.9
    shown = with_models.run(
        *("search", "--text", f"a {color} {shape}", "--features", "image_text", "-k", "10", "--all", "--json")
    )
    assert [one["id"] for one in json.loads(shown.stdout)["results"]] == ids


def test_a_picture_and_words_together_and_words_to_keep_away_from(client: Client, models: Path, shapes: object) -> None:
    query = shape_file(models, "blue", "square", 500)
    by_picture = found(client, image=query)
    assert share_of(by_picture, "blue-square") >= 0.8
    together = found(client, image=query, text="a red circle", params={"image_text": {"text_weight": 4}})
    assert share_of(together, "red-circle") > share_of(by_picture, "red-circle")
    all_red = [one.id for one in client.search(text="red", features=["image_text"], k=40).results]
    params = {"image_text": {"not_weight": 1}}
    no_circles = client.search(text="red", text_not="a red circle", features=["image_text"], k=40, params=params)
    circles = [
        [one.startswith("red-circle") for one in ids] for ids in (all_red, [one.id for one in no_circles.results])
    ]
    assert sum(circles[1][:20]) < sum(circles[0][:20])


def test_the_same_picture_has_the_same_vector_in_an_add_a_query_and_a_batch(
    client: Client, models: Path, shapes: object
) -> None:
    stored = models / "photos" / "green-square-2.png"
    client.add(stored, id="added")
    try:
        results = client.search(stored, features=["image_text"], k=2).results
        assert {one.id for one in results} == {"added", "green-square-2.png"}
        distances = [one.matches["image_text"]["distance"] for one in results]
        assert distances[0] == distances[1] == pytest.approx(0, abs=1e-6)
        assert client.get("added").tags == client.get("green-square-2.png").tags
    finally:
        client.delete("added")


def test_tags_and_captions_by_http_and_from_the_shell(
    with_models: RunningService, client: Client, models: Path
) -> None:
    path = shape_file(models, "red", "circle", 600)
    assert client.tags(path)[0].label == "red circle"
    assert isinstance(client.caption(path), str)
    assert "red circle" in with_models.run("tags", str(path)).stdout
    assert with_models.run("caption", str(path)).returncode == 0
    refused = httpx.post(f"{with_models.url}/v1/tags", files={"image": b"not a picture"})
    assert refused.status_code == 415


def test_a_model_that_comes_later_is_picked_up_and_what_waited_is_filled_in(
    with_models: RunningService, client: Client, models: Path, first_model: CompletedProcess[str]
) -> None:
    assert first_model.returncode == 0, first_model.stderr
    wait_for(lambda: client.stats().pending.get("global", 1) == 0, "nothing waits any more")
    path = models / "photos" / "orange-triangle-5.png"
    assert client.search(path, features=["global"]).results[0].id == "orange-triangle-5.png"
    assert with_models.run("train", "global").returncode == 0
    assert client.search(path, features=["global"]).results[0].id == "orange-triangle-5.png"
    assert client.verify().ok

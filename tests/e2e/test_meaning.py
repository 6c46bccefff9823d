"""Models through the whole service: words find pictures, tags, captions, a model that comes later, one that changes."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from graph.client import Client, FeatureReport
from tests.e2e.running_service import RunningService, wait_for
from tests.e2e.service_config import write_config
from tests.unit.deployments.models.shapes_clip import COLORS, SHAPES, shape_picture, train_shapes_clip
from tests.unit.deployments.models.tiny_models import tiny_blip, tiny_dinov2

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

EACH = 12  # pictures of every colour and shape
FIRST_UNSEEN = 10_000  # seeds beyond those that the model was trained on
PICKED_UP_S = 20.0  # a missing model is looked for every two seconds; loading takes some on a busy machine


def picture(folder: Path, color: str, shape: str, number: int) -> Path:
    path = folder / f"{color}-{shape}-{number}.png"
    Image.fromarray(shape_picture(color, shape, FIRST_UNSEEN + number)).save(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photos/ with shapes that the model has not seen, clip/ and blip/ with models, later/ with one to come."""
    made = tmp_path_factory.mktemp("meaning")
    train_shapes_clip(made / "clip")
    tiny_blip(made / "blip")
    tiny_dinov2(made / "first", seed=1)
    tiny_dinov2(made / "second", seed=2)
    (made / "photos").mkdir()
    for color in COLORS:
        for shape in SHAPES:
            for number in range(EACH):
                picture(made / "photos", color, shape, number)
    (made / "labels.txt").write_text("\n".join(f"{color} {shape}" for color in COLORS for shape in SHAPES))
    return made


def config(folder: Path, model: Path) -> Path:
    path = folder / "config.yaml"
    args = {
        "extractors": {"global": {"model": str(model)}, "image_text": {"model": str(folder / "clip")}},
        "annotators": {
            "tags": {"labels": str(folder / "labels.txt"), "prompt": "a {}", "store": True, "threshold": 0.2},
            "caption": {"model": str(folder / "blip"), "max_tokens": 5},
        },
    }
    return write_config(path, args=args)


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[RunningService]:
    service = RunningService(folder / "data", config(folder, folder / "later"))
    service.start()
    yield service
    service.stop()


@pytest.fixture
def client(running: RunningService) -> Iterator[Client]:
    with Client(running.url) as opened:
        yield opened


def feature(client: Client, name: str) -> FeatureReport:
    return next(one for one in client.features() if one.name == name)


def share_of(ids: list[str], start: str) -> float:
    return sum(image_id.startswith(start) for image_id in ids) / len(ids)


def found(client: Client, **asked: Any) -> list[str]:
    return [one.id for one in client.search(features=["image_text"], k=10, **asked).results]


def test_without_its_model_a_feature_says_why_and_the_service_is_ready(client: Client, folder: Path) -> None:
    told = feature(client, "global")
    assert told.state == "unavailable"
    assert str(folder / "later") in told.reason
    assert feature(client, "image_text").state == "ready"
    assert feature(client, "caption").role == "annotator"
    assert client.ready().ready


def test_a_batch_takes_in_every_picture_with_its_tags(running: RunningService, client: Client, folder: Path) -> None:
    done = running.run("index", str(folder / "photos"))
    assert done.returncode == 0, done.stderr
    assert f"indexed {len(COLORS) * len(SHAPES) * EACH} new" in done.stdout
    row = client.get("red-circle-3.png")
    assert row.features["image_text"] == "ok"
    assert row.features["global"] == "pending"
    assert row.features["tags"] == "ok"
    labels = [client.get(f"{color}-{shape}-1.png").tags[0].label for color in COLORS for shape in SHAPES]
    wanted = [f"{color} {shape}" for color in COLORS for shape in SHAPES]
    assert sum(one == other for one, other in zip(labels, wanted, strict=True)) >= 0.8 * len(wanted)


@pytest.mark.parametrize(("color", "shape"), [("red", "circle"), ("blue", "triangle")])
def test_words_find_pictures_by_http_and_from_the_shell(
    running: RunningService, client: Client, color: str, shape: str
) -> None:
    ids = found(client, text=f"a {color} {shape}")
    assert share_of(ids, f"{color}-{shape}") >= 0.9
    shown = running.run("search", "--text", f"a {color} {shape}", "--features", "image_text", "-k", "10", "--json")
    assert [one["id"] for one in json.loads(shown.stdout)["results"]] == ids


def test_a_picture_and_words_together_and_words_to_keep_away_from(client: Client, folder: Path) -> None:
    query = picture(folder, "blue", "square", 500)
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


def test_the_same_picture_has_the_same_vector_in_an_add_a_query_and_a_batch(client: Client, folder: Path) -> None:
    stored = folder / "photos" / "green-square-2.png"
    client.add(stored, id="added")
    try:
        results = client.search(stored, features=["image_text"], k=2).results
        assert {one.id for one in results} == {"added", "green-square-2.png"}
        distances = [one.matches["image_text"]["distance"] for one in results]
        assert distances[0] == distances[1] == pytest.approx(0, abs=1e-6)
        assert client.get("added").tags == client.get("green-square-2.png").tags
    finally:
        client.delete("added")


def test_tags_and_captions_by_http_and_from_the_shell(running: RunningService, client: Client, folder: Path) -> None:
    path = picture(folder, "red", "circle", 600)
    assert client.tags(path)[0].label == "red circle"
    assert isinstance(client.caption(path), str)
    assert "red circle" in running.run("tags", str(path)).stdout
    assert running.run("caption", str(path)).returncode == 0
    refused = httpx.post(f"{running.url}/v1/tags", files={"image": b"not a picture"})
    assert refused.status_code == 415


def test_a_model_that_comes_later_is_picked_up_and_what_waited_is_filled_in(
    running: RunningService, client: Client, folder: Path
) -> None:
    shutil.copytree(folder / "first", folder / "later-unfinished")
    (folder / "later-unfinished").rename(folder / "later")
    wait_for(lambda: feature(client, "global").state == "ready", "the model is picked up", PICKED_UP_S)
    done = running.run("backfill", "global")
    assert done.returncode == 0, done.stderr
    wait_for(lambda: client.stats().pending.get("global", 1) == 0, "nothing waits any more")
    path = folder / "photos" / "orange-triangle-5.png"
    assert client.search(path, features=["global"]).results[0].id == "orange-triangle-5.png"
    assert running.run("train", "global").returncode == 0
    assert client.search(path, features=["global"]).results[0].id == "orange-triangle-5.png"
    assert client.verify().ok


def test_another_model_is_refused_then_moved_to_while_searches_go_on(running: RunningService, folder: Path) -> None:
    running.stop()
    running.config = config(folder, folder / "second")
    running.start()
    path = folder / "photos" / "purple-circle-4.png"
    with Client(running.url) as client:
        wait_for(lambda: "lookalike backfill global" in feature(client, "global").reason, "the model is refused")
        old = feature(client, "global").version
        problems: list[str] = []
        ended = threading.Event()
        searcher = threading.Thread(target=search_on, args=(running.url, path, ended, problems))
        searcher.start()
        try:
            done = running.run("backfill", "global", timeout_s=300)
            assert done.returncode == 0, done.stderr + done.stdout
            wait_for(lambda: feature(client, "global").version not in (None, old), "the new model is at work")
            time.sleep(1)
        finally:
            ended.set()
            searcher.join()
        assert not problems, problems[:3]
        told = feature(client, "global")
        assert (told.state, told.reason, told.next_version) == ("ready", "", None)
        [result, *_] = client.search(path, features=["global"]).results
        assert result.id == "purple-circle-4.png"
        assert result.matches["global"]["distance"] == pytest.approx(0, abs=1e-5)
        assert client.verify().ok


def search_on(url: str, path: Path, ended: threading.Event, problems: list[str]) -> None:
    """The old model, then the new one, finds the picture itself, every time."""
    with Client(url) as client:
        while not ended.is_set():
            try:
                answer = client.search(path, features=["global", "phash"], k=1)
            except Exception as failure:
                problems.append(repr(failure))
                continue
            if answer.partial or answer.results[0].id != path.name or "global" not in answer.results[0].matches:
                problems.append(f"{answer.features} {answer.results}")


def test_a_damaged_model_is_one_clear_error_and_everything_else_works(running: RunningService, folder: Path) -> None:
    running.stop()
    broken = folder / "broken"
    shutil.copytree(folder / "second", broken)
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    running.config = config(folder, broken)
    running.start()
    with Client(running.url) as client:
        wait_for(lambda: str(weights) in feature(client, "global").reason, "the reason names the file")
        assert "cut short" in feature(client, "global").reason
        path = folder / "photos" / "purple-circle-4.png"
        assert client.search(path, features=["global"]).results[0].id == path.name  # by the model of the index
        assert client.search(text="a red circle").results
    assert "Traceback" not in running.log

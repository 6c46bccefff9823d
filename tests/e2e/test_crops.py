"""Local features through the whole service: batch, search by file and by id, training, restart, the shell's words."""

from __future__ import annotations

import importlib.util
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from graph.client import Client
from graph.client.answers import SearchResult
from storage.errors import InvalidField
from tests.e2e.running_service import RunningService, wait_for
from tests.e2e.service_config import write_config

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PHOTOS = {"skimage": "data/{}", "sklearn": "datasets/images/{}"}
FILES = {
    "skimage": ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "brick.png", "grass.png"),
    "sklearn": ("china.jpg", "flower.jpg"),
}
PART = (160, 60, 420, 300)  # of the astronaut, 512 x 512: left, top, right, bottom


def package_photo(package: str, name: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / PHOTOS[package].format(name)


def jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("crops")
    for package, names in FILES.items():
        for name in names:
            (folder / "photos").mkdir(exist_ok=True)
            shutil.copy(package_photo(package, name), folder / "photos" / name)
    args = {"extractors": {"local": {}}, "shards": 1, "indexes": {"local": {"train_after_rows": 1000}}}
    service = RunningService(folder / "data", write_config(folder / "config.yaml", args=args))
    service.start()
    done = service.run("index", str(folder / "photos"))
    assert done.returncode == 0, done.stderr
    assert "indexed 8 new" in done.stdout
    yield service
    service.stop()


@pytest.fixture
def client(running: RunningService) -> Iterator[Client]:
    with Client(running.url) as opened:
        yield opened


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.open(package_photo("skimage", "astronaut.png")).convert("RGB")


def best_local(client: Client, image: bytes) -> SearchResult:
    return client.search(image, features=["local"]).results[0]


def test_the_original_of_a_crop_is_found_and_where_it_lies(client: Client, astronaut: Image.Image) -> None:
    found = best_local(client, jpeg(astronaut.crop(PART)))
    assert found.id == "astronaut.png"
    left, top, right, bottom = PART
    outline = [[left, top], [right, top], [right, bottom], [left, bottom]]
    np.testing.assert_allclose(found.matches["local"]["box"], outline, atol=2)
    homography = np.array(found.matches["local"]["homography"])
    np.testing.assert_allclose(homography @ [left, top, 1] / (homography @ [left, top, 1])[2], [0, 0, 1], atol=2)
    assert found.matches["local"]["view"] == "as_given"


def test_a_crop_is_first_among_all_features(client: Client, astronaut: Image.Image) -> None:
    assert client.search(jpeg(astronaut.crop(PART))).results[0].id == "astronaut.png"


def test_a_mirrored_crop_is_found_and_said_to_be_mirrored(client: Client, astronaut: Image.Image) -> None:
    found = best_local(client, jpeg(ImageOps.mirror(astronaut.crop(PART))))
    assert (found.id, found.matches["local"]["view"]) == ("astronaut.png", "mirrored")
    left, top, right, bottom = PART
    outline = [[right, top], [left, top], [left, bottom], [right, bottom]]
    np.testing.assert_allclose(found.matches["local"]["box"], outline, atol=2)


def test_a_stored_picture_is_asked_about_by_id(client: Client, astronaut: Image.Image) -> None:
    client.add(jpeg(astronaut.crop(PART)), id="crop")
    found = client.search(id="crop", features=["local"]).results
    assert [result.id for result in found] == ["crop", "astronaut.png"]
    client.delete("crop")
    assert [result.id for result in client.search(jpeg(astronaut.crop(PART)), features=["local"]).results] == [
        "astronaut.png"
    ]


def test_what_is_not_there_is_not_found(client: Client) -> None:
    other = Image.open(package_photo("skimage", "motorcycle_left.png")).convert("RGB")
    flat = Image.new("RGB", (300, 200), (90, 120, 60))
    for picture in (other, flat, flat.resize((16, 16))):
        answer = client.search(jpeg(picture), features=["local"])
        assert answer.results == ()
        assert answer.features["local"].status == "ok"


def test_a_picture_without_keypoints_is_kept(client: Client) -> None:
    added = client.add(jpeg(Image.new("RGB", (300, 200), (90, 120, 60))), id="flat")
    assert added.features["local"] == "ok"
    assert client.search(id="flat", features=["local"]).results == ()
    client.delete("flat")


def test_min_inliers_is_the_callers_to_choose(client: Client, astronaut: Image.Image) -> None:
    crop = jpeg(astronaut.crop(PART))
    inliers = best_local(client, crop).matches["local"]["inliers"]
    asked = {"local": {"min_inliers": inliers + 1}}
    assert client.search(crop, features=["local"], params=asked).results == ()
    with pytest.raises(InvalidField, match="min_inliers"):
        client.search(crop, features=["local"], params={"local": {"min_inliers": "many"}})


def test_the_shell_says_what_a_crop_is_of(running: RunningService, astronaut: Image.Image, tmp_path: Path) -> None:
    (tmp_path / "crop.jpg").write_bytes(jpeg(astronaut.crop(PART)))
    done = running.run("search", str(tmp_path / "crop.jpg"))
    assert "crop of astronaut.png, 24 % of its area" in done.stdout


def test_the_index_is_trained_by_itself_and_still_finds_after_a_restart(
    running: RunningService, astronaut: Image.Image
) -> None:
    def index_kind() -> str | None:
        with Client(running.url) as client:
            return next(one.index_kind for one in client.features() if one.name == "local")

    wait_for(lambda: index_kind() == "inverted_file", "the index is trained in the background")
    assert running.run("train", "local").returncode == 0
    assert running.stop() == 0
    running.start()
    with Client(running.url) as client:
        assert index_kind() == "inverted_file"
        assert best_local(client, jpeg(astronaut.crop(PART))).id == "astronaut.png"
        assert client.verify().ok

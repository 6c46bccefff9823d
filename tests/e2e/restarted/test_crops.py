"""Local features through the whole service: batch, search by file and by id, the shell's words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from graph.client import Client
from lookalike_client.answers import SearchResult
from storage.errors import InvalidField
from tests.e2e.restarted.pictures import PART, astronaut, jpeg, package_photo
from tests.e2e.running_service import RunningService

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400), pytest.mark.usefixtures("photos")]

ASTRONAUT = astronaut()


def best_local(client: Client, image: bytes) -> SearchResult:
    return client.search(image, features=["local"]).results[0]


def test_the_original_of_a_crop_is_found_and_where_it_lies(client: Client) -> None:
    found = best_local(client, jpeg(ASTRONAUT.crop(PART)))
    assert found.id == "astronaut.png"
    left, top, right, bottom = PART
    outline = [[left, top], [right, top], [right, bottom], [left, bottom]]
    np.testing.assert_allclose(found.matches["local"]["box"], outline, atol=2)
    homography = np.array(found.matches["local"]["homography"])
    np.testing.assert_allclose(homography @ [left, top, 1] / (homography @ [left, top, 1])[2], [0, 0, 1], atol=2)
    assert found.matches["local"]["view"] == "as_given"


def test_a_crop_is_first_among_all_features(client: Client) -> None:
    assert client.search(jpeg(ASTRONAUT.crop(PART))).results[0].id == "astronaut.png"


def test_a_mirrored_crop_is_found_and_said_to_be_mirrored(client: Client) -> None:
    found = best_local(client, jpeg(ImageOps.mirror(ASTRONAUT.crop(PART))))
    assert (found.id, found.matches["local"]["view"]) == ("astronaut.png", "mirrored")
    left, top, right, bottom = PART
    outline = [[right, top], [left, top], [left, bottom], [right, bottom]]
    np.testing.assert_allclose(found.matches["local"]["box"], outline, atol=2)


def test_a_stored_picture_is_asked_about_by_id(client: Client) -> None:
    client.add(jpeg(ASTRONAUT.crop(PART)), id="crop")
    found = client.search(id="crop", features=["local"]).results
    assert [result.id for result in found] == ["crop", "astronaut.png"]
    client.delete("crop")
    assert [result.id for result in client.search(jpeg(ASTRONAUT.crop(PART)), features=["local"]).results] == [
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


def test_min_inliers_is_the_callers_to_choose(client: Client) -> None:
    crop = jpeg(ASTRONAUT.crop(PART))
    inliers = best_local(client, crop).matches["local"]["inliers"]
    asked = {"local": {"min_inliers": inliers + 1}}
    assert client.search(crop, features=["local"], params=asked).results == ()
    with pytest.raises(InvalidField, match="min_inliers"):
        client.search(crop, features=["local"], params={"local": {"min_inliers": "many"}})


def test_the_shell_says_what_a_crop_is_of(running: RunningService, tmp_path: Path) -> None:
    (tmp_path / "crop.jpg").write_bytes(jpeg(ASTRONAUT.crop(PART)))
    done = running.run("search", str(tmp_path / "crop.jpg"), "--all")
    assert "crop of astronaut.png, 24 % of its area" in done.stdout

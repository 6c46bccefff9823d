"""Photos are found by their keypoints: from crops, turned, mirrored and edited copies, and not from strangers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deployments.extractor import Pixels
from deployments.extractors.local import Config, Local
from storage.keypoints.search import Located, locate
from storage.types.features import FeatureRows, Vectors
from storage.types.searches import FeatureQuery
from storage.upkeep.factory import build_index
from tests.unit.deployments.keypoints.scenes import photo

SIZE = (400, 300)
NAMES = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "camera.png")


@pytest.fixture(scope="module")
def extractor() -> Local:
    return Local()


@pytest.fixture(scope="module")
def photos() -> list[Pixels]:
    return [photo(name, SIZE) for name in NAMES]


@pytest.fixture(scope="module")
def stored(extractor: Local, photos: list[Pixels]) -> dict[int, FeatureRows]:
    return dict(enumerate(extractor.extract(photos)))


def search(stored: Mapping[int, FeatureRows], asked: FeatureRows) -> list[Located]:
    parts = [feature.rows for feature in stored.values()]
    handles = np.repeat(np.array(list(stored), np.int64), [len(part) for part in parts])
    rows: Vectors = np.concatenate(parts)  # type: ignore[assignment]
    index = build_index(Local.spec_for(Config.model_validate({}))).with_changes(
        remove=handles[:0], add=handles, rows=rows
    )
    return locate(index, FeatureQuery("local", asked.rows, 10, extras=asked.extras), stored.get)


LEFT, TOP, RIGHT, BOTTOM = 100, 60, 320, 220
FRAME = [[0, 0], [400, 0], [400, 300], [0, 300]]
COPIES: Mapping[str, tuple[Any, list[list[int]]]] = {  # and where the corners of each lie in the picture
    "itself": (lambda a: a, FRAME),
    "a crop": (lambda a: a[TOP:BOTTOM, LEFT:RIGHT], [[LEFT, TOP], [RIGHT, TOP], [RIGHT, BOTTOM], [LEFT, BOTTOM]]),
    "turned": (lambda a: np.rot90(a), [FRAME[1], FRAME[2], FRAME[3], FRAME[0]]),
    "upside down": (lambda a: np.rot90(a, 2), [FRAME[2], FRAME[3], FRAME[0], FRAME[1]]),
    "darker": (lambda a: a // 2 + 20, FRAME),
    "half as large": (
        lambda a: np.asarray(Image.fromarray(a).resize((200, 150), Image.Resampling.BICUBIC)),
        FRAME,
    ),
}


@pytest.mark.parametrize("number", [0, 2, 4], ids=lambda number: NAMES[number])
@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("mirrored", [False, True], ids=["as given", "mirrored"])
def test_a_photo_is_found_from_copies_of_it_where_they_lie(
    extractor: Local, photos: list[Pixels], stored: dict[int, FeatureRows], number: int, copy: str, mirrored: bool
) -> None:
    change, box = COPIES[copy]
    picture = np.ascontiguousarray(change(photos[number])[:, :: -1 if mirrored else 1])
    (found,) = search(stored, extractor.query_views([picture], {})[0])
    assert (found.handle, found.side.mirrored) == (number, mirrored)
    assert found.inliers >= 20
    wanted = np.array(box)[[1, 0, 3, 2]] if mirrored else np.array(box)
    assert np.abs(found.box - wanted).max() < 2


@pytest.mark.slow
def test_a_photo_turned_by_any_angle_is_found(
    extractor: Local, photos: list[Pixels], stored: dict[int, FeatureRows]
) -> None:
    for degrees in (17, 45, 110, 250):
        turned = np.asarray(Image.fromarray(photos[2]).rotate(degrees, Image.Resampling.BICUBIC))
        (found,) = search(stored, extractor.query_views([turned], {})[0])
        assert (found.handle, found.side.mirrored) == (2, False)
        np.testing.assert_allclose(found.box.mean(axis=0), [200, 150], atol=1)


def test_a_photo_that_is_not_stored_is_not_found(extractor: Local, stored: dict[int, FeatureRows]) -> None:
    for name in ("grass.png", "brick.png", "moon.png"):
        assert search(stored, extractor.query_views([photo(name, SIZE)], {})[0]) == []


def test_a_stored_photo_is_a_query_that_finds_itself_and_its_mirror_image(
    extractor: Local, photos: list[Pixels], stored: dict[int, FeatureRows]
) -> None:
    (mirrored,) = extractor.extract([np.ascontiguousarray(photos[1][:, ::-1])])
    asked = extractor.select_views(stored[1], {}, extractor.config)
    found = search({**stored, 9: mirrored}, asked)
    assert {(one.handle, one.side.mirrored) for one in found} == {(1, False), (9, True)}

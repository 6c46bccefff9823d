"""Keypoints of whole pictures: few and small enough to keep, and enough to find what a picture came from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deployments.extractor import Pixels
from deployments.extractors.local import VIEWS, Config, Local
from deployments.keypoints.rootsift import mirror_order
from deployments.pictures.images import decode
from deployments.pictures.prepared import prepare
from storage.encoding.feature_rows import encode_rows
from storage.errors import InvalidField
from storage.index.descriptor_codes import unpacked
from storage.keypoints.keypoint_rows import check_keypoints, sides, stored_side
from storage.types.features import FeatureRows
from tests.suites.extractor_suite import ExtractorSuite, assert_same_features, make_pictures
from tests.unit.deployments.keypoints.scenes import blob, photo
from tests.unit.deployments.pictures.samples import encoded

SIZE = (400, 300)
NAMES = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "camera.png")
MOST_BYTES = 16 << 10


class TestLocal(ExtractorSuite):
    def make_extractor(self) -> Local:
        return Local()


@pytest.fixture(scope="module")
def extractor() -> Local:
    return Local()


@pytest.fixture(scope="module")
def photos() -> list[Pixels]:
    return [photo(name, SIZE) for name in NAMES]


@pytest.fixture(scope="module")
def stored(extractor: Local, photos: list[Pixels]) -> dict[int, FeatureRows]:
    return dict(enumerate(extractor.extract(photos)))


def test_a_photo_keeps_two_hundred_keypoints_in_sixteen_kilobytes(
    extractor: Local, photos: list[Pixels], stored: dict[int, FeatureRows]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (768, 1024)).astype(np.uint8)
    for feature in [*stored.values(), *extractor.extract([noise])]:
        assert feature.rows.shape == (200, 64)
        assert len(encode_rows(feature)) <= MOST_BYTES
        assert feature.extras.keys() == {"points", "shapes", "frames"}
        check_keypoints("here", feature.rows, feature.extras)
    assert stored[0].extras["frames"].tolist() == [[200, *SIZE]]


def test_the_number_of_keypoints_is_the_configured_one(photos: list[Pixels], stored: dict[int, FeatureRows]) -> None:
    few = Local(Config.model_validate({"keypoints": 50, "query_keypoints": 80}))
    kept = few.extract(photos[:1])[0]
    np.testing.assert_array_equal(kept.rows, stored[0].rows[:50])
    assert len(few.query_views(photos[:1], {})[0].rows) in range(80, 161)


def test_what_is_stored_says_which_settings_made_it() -> None:
    def fingerprint(**settings: Any) -> str:
        return Local.spec_for(Config.model_validate(settings)).fingerprint

    assert fingerprint() == fingerprint(query_keypoints=900) == Local().spec.fingerprint
    assert fingerprint() != fingerprint(keypoints=100)
    assert "rootsift" in fingerprint()


def test_a_query_has_the_stored_keypoints_first_and_more_after_them(
    extractor: Local, photos: list[Pixels], stored: dict[int, FeatureRows]
) -> None:
    (asked,) = extractor.query_views(photos[:1], {})
    assert len(asked.rows) > 400
    np.testing.assert_array_equal(asked.rows[:200], stored[0].rows)
    for name in ("points", "shapes"):
        np.testing.assert_array_equal(asked.extras[name][:200], stored[0].extras[name])


def test_a_query_has_second_directions_for_places_it_has_already(extractor: Local, photos: list[Pixels]) -> None:
    (asked,) = extractor.query_views(photos[4:], {})
    (side, _) = sides(asked.rows, asked.extras)
    places = np.unique(np.column_stack([side.points, side.sigmas]), axis=0)
    assert 490 <= len(places) <= 500 < len(side.points) <= 1000


def test_a_query_brings_the_descriptors_of_its_mirror_image(extractor: Local, photos: list[Pixels]) -> None:
    for asked in extractor.query_views(photos, {}):
        check_keypoints("the query", asked.rows, asked.extras)
        levels, mirrored = unpacked(asked.rows), unpacked(asked.extras["mirrored"])
        np.testing.assert_array_equal(mirrored, levels[:, mirror_order()])
        assert [side.mirrored for side in sides(asked.rows, asked.extras)] == [False, True]


def test_a_stored_picture_is_asked_with_its_keypoints_and_those_of_its_mirror_image(
    extractor: Local, stored: dict[int, FeatureRows]
) -> None:
    asked = extractor.select_views(stored[0], {}, extractor.config)
    np.testing.assert_array_equal(asked.rows, stored[0].rows)
    assert asked.extras.keys() == {*stored[0].extras, "mirrored"}
    np.testing.assert_array_equal(unpacked(asked.extras["mirrored"]), unpacked(stored[0].rows)[:, mirror_order()])
    check_keypoints("the query", asked.rows, asked.extras)
    of_a_network = extractor.select_views(stored[0], {}, Config.model_validate({"descriptor": "hardnet8"}))
    assert "mirrored" not in of_a_network.extras


def test_views_have_names(extractor: Local) -> None:
    assert [extractor.view_name(view, {}) for view in range(2)] == list(VIEWS) == ["as_given", "mirrored"]


@pytest.mark.parametrize("params", [{"min_inliers": 1}, {"mirror": "no"}, {"orientations": "all"}], ids=str)
def test_bad_parameters_are_refused(extractor: Local, stored: dict[int, FeatureRows], params: dict[str, Any]) -> None:
    with pytest.raises(InvalidField, match=next(iter(params))):
        extractor.query_views([], params)
    with pytest.raises(InvalidField, match=next(iter(params))):
        extractor.select_views(stored[0], params, extractor.config)


def test_a_keypoint_lies_half_a_pixel_from_the_edge_of_the_pixel_it_is_in(extractor: Local) -> None:
    (feature,) = extractor.extract([blob((620, 600), 300.25, 280.0, 4.7)])
    assert np.abs(stored_side(feature).points - [300.75, 280.5]).max(axis=1).min() < 0.1


@pytest.mark.parametrize("shape", [(1, 1), (1, 1024), (1024, 1), (2, 2), (4, 5), (16, 16), (11, 900)], ids=str)
@pytest.mark.parametrize("flat", [True, False], ids=["flat", "noise"])
def test_tiny_and_narrow_pictures_have_a_sound_feature(extractor: Local, shape: tuple[int, int], flat: bool) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    picture = np.full(shape, 99, np.uint8) if flat else picture
    for feature in (*extractor.extract([picture]), *extractor.query_views([picture], {})):
        check_keypoints("here", feature.rows, feature.extras)
        assert feature.extras["frames"].tolist() == [[len(feature.rows), shape[1], shape[0]]]
        assert not flat or len(feature.rows) == 0


def test_a_strip_of_twenty_thousand_pixels_goes_all_the_way(extractor: Local) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (10, 20_000)).astype(np.uint8)
    working = decode(encoded(noise, "PNG"))
    (feature,) = extractor.extract([prepare(working, extractor.image_input)])
    check_keypoints("here", feature.rows, feature.extras)
    assert feature.extras["frames"][0, 1] == 1024


def test_a_batch_of_pictures_of_all_sizes_gives_what_one_by_one_gives(extractor: Local, photos: list[Pixels]) -> None:
    sizes = [(640, 480), (1, 1), (200, 150), (16, 16), (577, 91)]
    pictures = [photo("coffee.png", size) for size in sizes] + make_pictures(extractor, 2) + photos[:1]
    for together, picture in zip(extractor.extract(pictures), pictures, strict=True):
        assert_same_features(together, extractor.extract([picture])[0])
    for together, picture in zip(extractor.query_views(pictures, {}), pictures, strict=True):
        assert_same_features(together, extractor.query_views([picture], {})[0])

"""Keypoints lie where the blobs of a picture lie, as large as they are, and turn with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from deployments.extractor import Pixels
from deployments.keypoints.detector import BORDER, LEAST_RESPONSE, SETTLED, Keypoints, detect
from deployments.keypoints.scale_space import CAMERA_SIGMA, build_scale_space
from tests.unit.deployments.keypoints.scenes import blob, photo, texture

BLOB_TO_KEYPOINT = 2 ** (1 / 6)  # sigma of a blob to the first of the two blurs whose difference answers it best
TURNED_SIDE = 577  # 9 * 64 + 1: leaving out every second pixel keeps the same ones from either end, octave by octave


def keypoints_of(gray: Pixels) -> Keypoints:
    return detect(build_scale_space(gray))


@pytest.mark.parametrize("size", [(620, 600), (400, 300), (200, 160), (100, 90), (60, 60)], ids=str)
@pytest.mark.parametrize("sigma", [2.2, 2.4, 2.8, 4.7, 6.0])
@pytest.mark.parametrize("height", [150.0, -150.0], ids=["bright", "dark"])
def test_a_blob_is_found_where_it_is_and_as_large_as_it_is(size: tuple[int, int], sigma: float, height: float) -> None:
    x, y = size[0] / 2 + 0.2, size[1] / 2 - 0.15
    gray = blob(size, x, y, sigma, height)
    found = keypoints_of(gray)
    assert len(found)
    strongest = int(found.responses.argmax())
    np.testing.assert_allclose(found.points[strongest], [x, y], atol=0.1)
    wanted = np.sqrt(sigma**2 - CAMERA_SIGMA**2) / BLOB_TO_KEYPOINT  # a picture is taken to have a blur of its own
    assert found.sigmas[strongest] == pytest.approx(wanted, rel=0.03)


def test_nearly_every_blob_is_found_wherever_it_lies() -> None:
    """Those half-way between two pixels or two levels may be lost, as in Lowe's own."""
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(60):
        x, y, sigma = 50 + rng.random() * 20, 40 + rng.random() * 20, 2.5 + 3 * rng.random()
        points = keypoints_of(blob((120, 100), x, y, sigma)).points
        found += bool((np.abs(points - [x, y]).max(axis=1) < 0.2).any())
    assert found >= 52


def test_blobs_far_from_each_other_are_found_each() -> None:
    places = [(60, 50, 3.0), (160, 60, 4.5), (250, 180, 3.6), (80, 200, 5.2)]
    gray = np.full((260, 320), 60, np.int64)
    for x, y, sigma in places:
        gray += blob((320, 260), x, y, sigma).astype(np.int64) - 60
    found = keypoints_of(gray.astype(np.uint8))
    strongest = found.points[np.argsort(-found.responses)[:4]]
    for x, y, _ in places:
        assert np.abs(strongest - [x, y]).max(axis=1).min() < 0.1


def test_the_response_grows_with_the_contrast_and_faint_blobs_are_passed_over() -> None:
    responses = [keypoints_of(blob((150, 150), 75.2, 75.1, 4.7, height)).responses.max() for height in (40, 80, 160)]
    np.testing.assert_allclose(np.array(responses) / responses[0], [1, 2, 4], rtol=0.05)
    octaves = build_scale_space(blob((150, 150), 75.2, 75.1, 4.7))
    full = detect(octaves).responses.max()
    for response, count in ((1.05 * LEAST_RESPONSE, 1), (0.95 * LEAST_RESPONSE, 0)):
        faint = [replace(octave, levels=octave.levels * np.float32(response / full)) for octave in octaves]
        assert len(detect(faint)) == count


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("size", [(600, 580), (90, 70), (1, 1), (1024, 1)], ids=str)
def test_a_flat_picture_has_no_keypoint(value: int, size: tuple[int, int]) -> None:
    assert len(keypoints_of(np.full((size[1], size[0]), value, np.uint8))) == 0


@pytest.mark.parametrize("across", [0.0, 0.3, 1.0])
def test_an_edge_has_no_keypoint(across: float) -> None:
    down, right = np.mgrid[:300, :320]
    distance = (right - 160 + across * (down - 150)) / np.hypot(1, across)
    edge = np.rint(30 + 190 * np.clip(distance / 3 + 0.5, 0, 1)).astype(np.uint8)
    assert len(keypoints_of(edge)) == 0


def test_a_line_has_no_keypoint_but_a_bar_that_ends_has() -> None:
    picture = np.full((300, 320), 200, np.uint8)
    picture[:, 150:158] = 40
    assert len(keypoints_of(picture)) == 0
    picture[:100] = picture[200:] = 200
    assert len(keypoints_of(picture)) > 0


def test_keypoints_keep_away_from_the_border() -> None:
    gray = texture((300, 200))
    octaves = build_scale_space(gray)
    found = detect(octaves)
    assert len(found) > 100
    for number, octave in enumerate(octaves):
        own = found.in_octave[found.octaves == number]
        height, width = octave.levels.shape[1:]
        assert (own[:, :2] >= BORDER - SETTLED).all()
        assert (own[:, :2] <= np.array([width, height]) - 1 - BORDER + SETTLED).all()
        assert ((own[:, 2] >= 1 - SETTLED) & (own[:, 2] <= 3 + SETTLED)).all()
    assert (found.responses >= LEAST_RESPONSE).all()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_the_keypoints_of_a_turned_picture_are_the_keypoints_turned(turns: int) -> None:
    gray = photo(size=(TURNED_SIDE, TURNED_SIDE))
    found = keypoints_of(gray)
    turned = keypoints_of(np.ascontiguousarray(np.rot90(gray, turns)))
    points = found.points - (TURNED_SIDE - 1) / 2
    for _ in range(turns):  # counterclockwise, as the picture
        points = np.stack([points[:, 1], -points[:, 0]], axis=1)
    wanted = np.column_stack([points + (TURNED_SIDE - 1) / 2, 20 * np.log(found.sigmas)])
    there = np.column_stack([turned.points, 20 * np.log(turned.sigmas)])
    assert len(found) > 500
    assert abs(len(turned) - len(found)) <= 0.01 * len(found)
    nearest = np.array([np.abs(there - one).max(axis=1).min() for one in wanted])
    assert (nearest < 0.05).mean() > 0.98


def test_a_keypoint_of_an_enlarged_picture_lies_where_the_picture_has_it() -> None:
    """The same scene at half the size, whose pixels cover two by two of the other's."""
    large = keypoints_of(blob((600, 560), 300.7, 280.3, 8.0))
    small = keypoints_of(blob((300, 280), (300.7 - 0.5) / 2, (280.3 - 0.5) / 2, 4.0))
    one, other = large.points[large.responses.argmax()], small.points[small.responses.argmax()]
    np.testing.assert_allclose((one - 0.5) / 2, other, atol=0.05)


def test_some_of_the_keypoints_can_be_taken() -> None:
    found = keypoints_of(texture((120, 100)))
    for which in (np.array([3, 0]), found.responses > np.median(found.responses)):
        taken = found.taken(which)
        assert len(taken) == len(found.points[which])
        for name in ("points", "sigmas", "responses", "octaves", "in_octave"):
            np.testing.assert_array_equal(getattr(taken, name), getattr(found, name)[which])


def test_no_keypoint_is_found_twice() -> None:
    found = detect(build_scale_space(texture((300, 200))))
    assert len(np.unique(np.column_stack([found.octaves, found.in_octave]), axis=0)) == len(found)

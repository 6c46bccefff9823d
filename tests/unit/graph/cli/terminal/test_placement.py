from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from graph.cli.terminal.placement import placement, sentence

WIDTH, HEIGHT = 640, 480
STORED = (WIDTH, HEIGHT)
IDENTITY = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
WHOLE_BOX = [[0.0, 0.0], [640.0, 0.0], [640.0, 480.0], [0.0, 480.0]]


def moved(x: float, y: float) -> NDArray[np.float64]:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def scaled(zoom: float) -> NDArray[np.float64]:
    return np.diag([zoom, zoom, 1.0])


def rotated(degrees: float, size: tuple[float, float]) -> NDArray[np.float64]:
    """Clockwise, on a canvas that just holds all of a picture of that size."""
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1.0]])
    corners = turn[:2, :2] @ np.array([[0, size[0], size[0], 0], [0, 0, size[1], size[1]]])
    turn[:2, 2] = -corners.min(axis=1)
    return turn


def mirrored(width: float) -> NDArray[np.float64]:
    return np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1.0]])


def match(homography: NDArray[np.float64], size: tuple[float, float], view: str = "as_given") -> dict[str, Any]:
    """The evidence for a query of that size (pixels)."""
    width, height = size
    corners = np.linalg.inv(homography) @ np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1]])
    box = (corners[:2] / corners[2]).T.tolist()
    return {"inliers": 83, "rank": 1, "view": view, "homography": homography.tolist(), "box": box}


def said(evidence: dict[str, Any], size: tuple[int, int] = STORED) -> str:
    found = placement(evidence, *size)
    assert found is not None
    return sentence("a/b.jpg", found)


def test_a_crop_is_named_with_its_share_of_the_stored_picture() -> None:
    assert said(match(moved(-100, -50), (320, 298))) == "crop of a/b.jpg, 31 % of its area"


def test_the_size_of_the_query_makes_no_difference() -> None:
    assert said(match(scaled(3) @ moved(-100, -50), (960, 894))) == "crop of a/b.jpg, 31 % of its area"


def test_a_crop_that_is_found_a_little_beyond_the_edge_is_a_crop() -> None:
    assert said(match(moved(4, 3), (320, 300))) == "crop of a/b.jpg, 31 % of its area"


def test_a_tiny_crop_is_not_called_nothing() -> None:
    assert said(match(moved(-100, -50), (20, 20))) == "crop of a/b.jpg, under 1 % of its area"


def test_a_mirrored_crop_is_called_so() -> None:
    homography = mirrored(320) @ moved(-100, -50)
    assert said(match(homography, (320, 298), "mirrored")) == "mirrored crop of a/b.jpg, 31 % of its area"


@pytest.mark.parametrize(
    ("degrees", "words"),
    [
        (90, "rotated by 90 degrees clockwise"),
        (-90, "rotated by 90 degrees counterclockwise"),
        (180, "rotated by 180 degrees"),
        (-179.8, "rotated by 180 degrees"),
        (12.4, "rotated by 12 degrees clockwise"),
    ],
)
@pytest.mark.parametrize("mirror", [False, True])
def test_a_rotated_query_is_called_so(degrees: float, words: str, mirror: bool) -> None:
    # The crop is taken from a stored picture that was mirrored first and rotated then.
    turned = rotated(degrees, STORED) @ (mirrored(WIDTH) if mirror else np.eye(3))
    middle = turned @ np.array([WIDTH / 2, HEIGHT / 2, 1])
    homography = moved(100 - middle[0], 100 - middle[1]) @ turned
    kind, view = ("mirrored crop", "mirrored") if mirror else ("crop", "as_given")
    assert said(match(homography, (200, 200), view)) == f"{kind} of a/b.jpg, 13 % of its area, {words}"


def test_a_hand_that_held_the_camera_is_no_rotation() -> None:
    assert "rotated" not in said(match(rotated(2.5, STORED), STORED))


def test_the_whole_picture_is_the_same_picture() -> None:
    whole = {"homography": IDENTITY, "box": WHOLE_BOX}
    assert said(whole) == "the same picture as a/b.jpg"
    assert said(match(scaled(0.25), (160, 120))) == "the same picture as a/b.jpg"
    found = placement(whole, *STORED)
    assert found is not None
    assert sentence("a/b.jpg", found, is_edited=True) == "an edited copy of a/b.jpg"
    assert said(match(mirrored(WIDTH), STORED, "mirrored")) == "the same picture as a/b.jpg, mirrored"
    upright = match(rotated(90, STORED), (HEIGHT, WIDTH))
    assert said(upright) == "the same picture as a/b.jpg, rotated by 90 degrees clockwise"


def test_a_query_that_holds_the_stored_picture_contains_it() -> None:
    assert said(match(moved(200, 300), (1280, 960))) == "contains a/b.jpg, as 25 % of its area"
    flipped = match(moved(200, 300) @ mirrored(WIDTH), (1280, 960), "mirrored")
    assert said(flipped) == "contains a/b.jpg, mirrored, as 25 % of its area"


def test_a_query_that_holds_a_part_of_the_stored_picture_contains_a_crop() -> None:
    assert said(match(moved(-320, 0), STORED)) == "contains a crop of a/b.jpg, 50 % of its area"


def test_a_picture_on_a_wall_is_measured_as_the_query_shows_it() -> None:
    # Seen so much from the side that the wall ends within the query: two of its corners lie beyond the horizon.
    seen = moved(700, 300) @ np.array([[1, 0, 0], [0, 1, 0], [0.002, 0, 1.0]])
    evidence = match(seen, (1600, 1200))
    found = placement(evidence, WIDTH, HEIGHT)
    assert found is not None
    assert found.of_stored == pytest.approx(1)
    right = 640 / 2.28  # of the picture, which is 480 high on the left, and 480 / 2.28 there
    assert found.of_query == pytest.approx(right * (480 + 480 / 2.28) / 2 / (1600 * 1200))


def test_the_sign_and_size_of_a_homography_mean_nothing() -> None:
    homography = moved(-100, -50)
    evidence = match(homography, (320, 298))
    for factor in (-1, -1e-6, 1e6):
        assert said(evidence | {"homography": (factor * homography).tolist()}) == said(evidence)


@pytest.mark.parametrize(
    "damaged",
    [
        {"homography": None},
        {"box": None},
        {"homography": [[None] * 3] * 3},
        {"homography": [[math.nan, 0, 0], [0, 1, 0], [0, 0, 1]]},
        {"homography": [[0.0] * 3] * 3},
        {"homography": [[1, 0, 0], [1, 0, 0], [0, 0, 1]]},
        {"homography": [[1e308] * 3, [1e-308] * 3, [1e308, 0, 1]]},
        {"homography": [[1, 0], [0, 1]]},
        {"homography": "a homography"},
        {"homography": 7},
        {"box": [[0, 0]] * 4},
        {"box": [[0, 0], [640, 0], [640, 480]]},
        {"box": [[0, 0, 0]] * 4},
        {"box": [[math.inf, 0], [640, 0], [math.inf, 480], [0, 480]]},
        {"box": [[-640, 0], [-10, 0], [-10, -10], [-640, 480]]},
        {"box": [[10**400, 0]] * 4},
        {"box": [["x", "y"]] * 4},
    ],
)
def test_evidence_that_describes_no_overlap_says_nothing(damaged: dict[str, Any]) -> None:
    assert placement({"homography": IDENTITY, "box": WHOLE_BOX} | damaged, WIDTH, HEIGHT) is None


def test_evidence_without_a_homography_says_nothing() -> None:
    assert placement({"distance": 4, "rank": 1}, WIDTH, HEIGHT) is None
    assert placement({"inliers": 83, "rank": 1}, WIDTH, HEIGHT) is None
    assert placement({"homography": IDENTITY, "box": WHOLE_BOX}, 0, 480) is None


numbers = st.floats(allow_nan=True, allow_infinity=True)
near = st.floats(-10, 10)


@given(st.lists(st.lists(numbers | near, min_size=3, max_size=3), min_size=3, max_size=3), st.tuples(numbers, numbers))
def test_whatever_the_numbers_are_the_shares_are_shares(rows: list[list[float]], corner: tuple[float, float]) -> None:
    found = placement({"homography": rows, "box": [[0, 0], [640, 0], list(corner), [0, 480]]}, WIDTH, HEIGHT)
    if found is not None:
        assert 0 < found.of_stored <= 1
        assert 0 < found.of_query <= 1
        assert sentence("a", found)


@given(
    st.floats(-500, 500), st.floats(-500, 500), st.floats(0.2, 5), st.floats(-180, 180), st.floats(-3e-4, 3e-4),
    st.floats(-3e-4, 3e-4),
)  # fmt: skip
def test_shares_are_those_of_counted_pixels(x: float, y: float, zoom: float, turn: float, a: float, b: float) -> None:
    view = np.array([[1, 0, 0], [0, 1, 0], [a, b, 1.0]])
    homography = moved(x, y) @ scaled(zoom) @ rotated(turn, STORED) @ view
    found = placement(match(homography, STORED), WIDTH, HEIGHT)
    columns, rows = np.meshgrid(np.arange(2, WIDTH, 4), np.arange(2, HEIGHT, 4))
    across, down, depth = homography @ np.stack([columns.ravel(), rows.ravel(), np.ones(columns.size)])
    inside = (depth > 0) & (across >= 0) & (across <= WIDTH * depth) & (down >= 0) & (down <= HEIGHT * depth)
    assert (0.0 if found is None else found.of_stored) == pytest.approx(inside.mean(), abs=0.02)

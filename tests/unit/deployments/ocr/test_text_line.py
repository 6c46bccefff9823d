from __future__ import annotations

import numpy as np
import pytest

from deployments.ocr.line_recogniser import cut_line, in_one_script
from deployments.ocr.text_line import NOTHING_READ, Reading, words_of

QUAD = np.array([[100, 50], [300, 70], [296, 110], [96, 90]], np.float32)  # tilted


def reading(text: str, confidence: float = 0.9) -> Reading:
    """Characters of one width."""
    edges = np.linspace(0, 1, len(text) + 1, dtype=np.float32)
    return Reading(text, np.stack([edges[:-1], edges[1:]], axis=1), np.full(len(text), confidence, np.float32))


def test_a_words_box_is_its_part_of_the_tilted_line() -> None:
    red, bridge = words_of(reading("red bridge"), QUAD, 0.5)
    assert (red.text, bridge.text) == ("red", "bridge")
    np.testing.assert_allclose(red.box[0], [100, 50])
    np.testing.assert_allclose(red.box[1], [160, 56], atol=1e-3)
    np.testing.assert_allclose(bridge.box[0], [180, 58], atol=1e-3)
    np.testing.assert_allclose(bridge.box[2], [296, 110])


def test_words_that_are_read_with_little_confidence_are_left_out() -> None:
    line = reading("red bridge")
    line.confidences[:3] = 0.4
    [bridge] = words_of(line, QUAD, 0.5)
    assert bridge.text == "bridge"
    assert bridge.confidence == pytest.approx(0.9)


def test_few_letters_on_a_long_line_are_no_certain_reading() -> None:
    assert reading("red bridge").confidence_over(5) == pytest.approx(0.9)
    assert reading("k   3  ").confidence_over(14) < 0.3
    assert reading("    ").confidence_over(5) == 0
    assert NOTHING_READ.confidence_over(5) == 0


def test_a_line_is_cut_upright() -> None:
    picture = np.zeros((200, 400, 3), np.uint8)
    rows, columns = np.mgrid[0:200, 0:400]
    along = (columns - 100) * 0.995 + (rows - 50) * 0.0995  # of the quad's top
    picture[(along > 100) & (columns > 90)] = 255
    line = cut_line(picture, QUAD)
    assert line.shape == (40, 201, 3)
    assert line[5:35, :90].max() == 0
    assert line[5:35, 110:195].min() == 255


def test_look_alikes_take_the_script_of_their_line() -> None:
    assert in_one_script("O\u0394O\u03a3 NEPO") == "\u039f\u0394\u039f\u03a3 \u039d\u0395\u03a1\u039f"
    assert in_one_script("\u4e09ENO\u0394OXEIO") == "\u039e\u0395\u039d\u039f\u0394\u039f\u03a7\u0395\u0399\u039f"
    assert in_one_script("O\u0394O\u03a3 HOTEL") == "\u039f\u0394\u039f\u03a3 HOTEL"
    assert in_one_script("NEPO HOTEL") == "NEPO HOTEL"
    assert in_one_script("\u4e09 \u5317\u4eac") == "\u4e09 \u5317\u4eac"

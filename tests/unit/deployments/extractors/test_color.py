from __future__ import annotations

import numpy as np
import pytest

from deployments.extractors.color import Color
from tests.suites.extractor_suite import ExtractorSuite, make_pictures


class TestColor(ExtractorSuite):
    def make_extractor(self) -> Color:
        return Color()


def test_the_histogram_is_the_one_defined() -> None:
    for picture in make_pictures(Color(), 3):
        wanted, _ = np.histogramdd(picture.reshape(-1, 3), bins=(8, 8, 8), range=[(0, 256)] * 3)
        found = Color().extract([picture])[0].rows[0]
        np.testing.assert_allclose(found, wanted.ravel() / wanted.sum(), atol=1e-7)


def test_histograms_sum_to_one() -> None:
    for features in Color().extract(make_pictures(Color(), 3)):
        assert features.rows.sum() == pytest.approx(1.0, abs=1e-6)


def test_red_varies_slowest() -> None:
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 255
    assert Color().extract([red])[0].rows[0].argmax() == 7 * 64


def test_pictures_without_a_common_colour_are_two_apart() -> None:
    black, white = (Color().extract([np.full((3, 3, 3), value, np.uint8)])[0].rows[0] for value in (0, 255))
    assert Color().distance(black, white) == 2.0

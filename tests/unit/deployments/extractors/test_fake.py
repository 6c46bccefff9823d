from __future__ import annotations

import numpy as np
import pytest

from deployments.extractors.fake import Config, Fake
from storage.errors import ExtractorUnavailable
from tests.suites.extractor_suite import ExtractorSuite, make_pictures


class TestFake(ExtractorSuite):
    def make_extractor(self) -> Fake:
        return Fake()


def test_it_fails_to_load_when_told() -> None:
    with pytest.raises(ExtractorUnavailable, match="told not to load"):
        Fake(Config.model_validate({"fails": "load"}))


def test_it_fails_to_extract_when_told() -> None:
    extractor = Fake(Config.model_validate({"fails": "extract"}))
    with pytest.raises(RuntimeError, match="told to fail"):
        extractor.extract(make_pictures(extractor, 1))


def test_rows_have_unit_norm() -> None:
    extractor = Fake()
    (features,) = extractor.extract(make_pictures(extractor, 1))
    np.testing.assert_allclose(np.linalg.norm(features.rows, axis=1), 1.0, atol=1e-6)


def test_like_pictures_lie_near_each_other() -> None:
    extractor = Fake()
    one, other = make_pictures(extractor, 2)
    near = np.clip(one.astype(int) + 2, 0, 255).astype(np.uint8)
    a, b, c = (features.rows[0] for features in extractor.extract([one, near, other]))
    assert extractor.distance(a, b) < 0.01 < extractor.distance(a, c)

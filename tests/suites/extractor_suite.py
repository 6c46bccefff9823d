"""What every extractor must do: subclass it and give `make_extractor`."""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from deployments.extractor import Annotator, EmbedsText, Extractor, Pixels, QueryViews
from storage.errors import InvalidField
from storage.index.vector_index import row_dtype, row_width
from storage.types.features import FeatureRows

WORKING_SIZE = (320, 240)  # (width, height) of a made picture where the extractor takes the working image
WORDS = ("bridge", "market", "garden", "window", "station", "summer", "winter", "coffee", "castle", "harbour")


def make_pictures(part: Extractor | Annotator, count: int, seed: int = 0) -> list[Pixels]:
    """Pictures in the form that the part asks for: coarse, so of low frequencies, and all different."""
    rng = np.random.default_rng(seed)
    width, height = part.image_input.size or WORKING_SIZE
    shape = (height, width) if part.image_input.color == "gray" else (height, width, 3)
    pictures = []
    for _ in range(count):
        coarse = rng.integers(0, 256, (4, 4, *shape[2:])).astype(np.float64)
        tiled = coarse[np.arange(height) * 4 // height][:, np.arange(width) * 4 // width]
        picture = np.clip(tiled + rng.normal(0, 8, shape), 0, 255).astype(np.uint8)
        pictures.append(with_words(picture, rng) if getattr(part, "kind", "") == "words" else picture)
    return pictures


def with_words(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Two of `WORDS` on a white strip."""
    drawn = Image.fromarray(picture)
    strip = ImageDraw.Draw(drawn)
    strip.rectangle((20, 80, 300, 130), fill=(255, 255, 255))
    strip.text((30, 88), " ".join(rng.choice(WORDS, 2, replace=False)), (0, 0, 0), ImageFont.load_default(28))
    return np.asarray(drawn)


class ExtractorSuite(ABC):
    _shared: ClassVar[Extractor]

    @abstractmethod
    def make_extractor(self) -> Extractor:
        """A new one, as the registry makes it."""

    @pytest.fixture
    def extractor(self) -> Extractor:
        """One for all tests of the class, as it serves request after request: loading some takes a while."""
        mine = type(self)
        if "_shared" not in vars(mine):
            mine._shared = self.make_extractor()
        return mine._shared

    def test_rows_are_as_the_spec_says(self, extractor: Extractor) -> None:
        spec = extractor.spec
        width, dtype = row_width(spec), row_dtype(spec)
        for features in extractor.extract(make_pictures(extractor, 3)):
            assert features.rows.dtype == dtype
            assert features.rows.ndim == 2
            assert features.rows.shape[1] == width
            assert len(features.rows) == 1 or spec.kind in ("local", "words")
            assert np.isfinite(features.rows).all()

    def test_two_instances_have_one_fingerprint(self, extractor: Extractor) -> None:
        assert extractor.spec == self.make_extractor().spec
        assert extractor.spec.name in extractor.spec.fingerprint

    def test_a_batch_gives_what_one_by_one_gives(self, extractor: Extractor) -> None:
        pictures, other = make_pictures(extractor, 7), self.make_extractor()
        alone = [other.extract([picture])[0] for picture in pictures]
        for together, single in zip(extractor.extract(pictures), alone, strict=True):
            assert_same_features(together, single)

    def test_no_pictures_give_no_rows(self, extractor: Extractor) -> None:
        assert extractor.extract([]) == []

    def test_pictures_are_not_changed_and_may_be_read_only(self, extractor: Extractor) -> None:
        (picture,) = make_pictures(extractor, 1)
        before = picture.copy()
        writable = extractor.extract([picture])[0]
        np.testing.assert_array_equal(picture, before)
        picture.setflags(write=False)
        assert_same_features(extractor.extract([picture])[0], writable)

    def test_threads_do_not_disturb_each_other(self, extractor: Extractor) -> None:
        pictures = make_pictures(extractor, 12)
        wanted = extractor.extract(pictures)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda picture: extractor.extract([picture])[0], pictures))
        for one, other in zip(found, wanted, strict=True):
            assert_same_features(one, other)

    def test_distance_is_zero_to_itself_and_the_same_both_ways(self, extractor: Extractor) -> None:
        a, b = (features.rows[0] for features in extractor.extract(make_pictures(extractor, 2)))
        assert extractor.distance(a, a) == pytest.approx(0.0, abs=1e-6)
        assert extractor.distance(a, b) == extractor.distance(b, a)
        assert extractor.distance(a, b) > 0

    def test_flat_pictures_have_features_too(self, extractor: Extractor) -> None:
        (like,) = make_pictures(extractor, 1)
        for features in extractor.extract([np.full_like(like, value) for value in (0, 128, 255)]):
            assert np.isfinite(features.rows).all()

    def test_features_survive_the_way_between_processes(self, extractor: Extractor) -> None:
        (features,) = extractor.extract(make_pictures(extractor, 1))
        assert_same_features(pickle.loads(pickle.dumps(features)), features)

    def test_the_first_view_of_a_query_is_the_stored_row(self, extractor: Extractor) -> None:
        if not isinstance(extractor, QueryViews):
            pytest.skip("looks one way only")
        pictures = make_pictures(extractor, 3)
        for stored, views in zip(extractor.extract(pictures), extractor.query_views(pictures, {}), strict=True):
            np.testing.assert_array_equal(views.rows[0], stored.rows[0])
            assert extractor.view_name(0, {}) == "as_given"

    def test_a_stored_picture_is_asked_about_as_its_file_would_be(self, extractor: Extractor) -> None:
        if not isinstance(extractor, QueryViews) or extractor.spec.kind == "local":
            pytest.skip("looks one way only, or keeps fewer keypoints than it asks with")
        pictures = make_pictures(extractor, 3)
        for stored, views in zip(extractor.extract(pictures), extractor.query_views(pictures, {}), strict=True):
            assert_same_features(extractor.select_views(stored, {}, None), views)

    def test_an_unknown_query_parameter_is_refused(self, extractor: Extractor) -> None:
        if not isinstance(extractor, QueryViews):
            pytest.skip("looks one way only")
        with pytest.raises(InvalidField, match="no_such_parameter"):
            extractor.query_views(make_pictures(extractor, 1), {"no_such_parameter": 1})

    def test_texts_lie_among_the_pictures(self, extractor: Extractor) -> None:
        if not isinstance(extractor, EmbedsText):
            pytest.skip("understands no texts")
        bridge, dog = extractor.embed_texts(["a red bridge", "a dog"])
        assert bridge.rows.shape == (3 if extractor.spec.kind == "words" else 1, extractor.spec.dim)
        assert bridge.rows.dtype == row_dtype(extractor.spec)
        assert np.isfinite(bridge.rows).all()
        assert not np.array_equal(bridge.rows, dog.rows)
        assert_same_features(dog, extractor.embed_texts(["a dog"])[0])
        assert extractor.embed_texts([]) == []


def assert_same_features(one: FeatureRows, other: FeatureRows) -> None:
    np.testing.assert_array_equal(one.rows, other.rows)
    assert (one.query_rows is None) == (other.query_rows is None)
    if one.query_rows is not None and other.query_rows is not None:
        np.testing.assert_array_equal(one.query_rows, other.query_rows)
    assert one.extras.keys() == other.extras.keys()
    for name, array in one.extras.items():
        np.testing.assert_array_equal(array, other.extras[name])

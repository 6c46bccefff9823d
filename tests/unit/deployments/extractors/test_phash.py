from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.fft import dctn

from deployments.extractor import Pixels
from deployments.extractors.phash import VIEWS, Phash, views_of_hashes
from deployments.pictures.images import decode
from deployments.pictures.prepared import prepare
from storage.errors import InvalidField
from tests.suites.extractor_suite import ExtractorSuite, make_pictures
from tests.unit.deployments.pictures.pillow_build import each

TURNS = {  # what each view undoes, as numpy says it
    "as_given": lambda a: a,
    "mirrored": lambda a: a[:, ::-1],
    "rotated_90": lambda a: np.rot90(a, -1),
    "rotated_180": lambda a: np.rot90(a, 2),
    "rotated_270": lambda a: np.rot90(a, 1),
    "flipped": lambda a: a[::-1],
    "transposed": lambda a: a.T,
    "transversed": lambda a: np.rot90(a, 2).T,
}


def plain_hash(picture: Pixels) -> Pixels:
    """The definition, by scipy."""
    low = np.round(dctn(picture.astype(np.float64), type=2)[:24, :24].ravel(), 3)
    return np.packbits(low > np.median(low))


def file_view(path: Path) -> Pixels:
    return prepare(decode(path.read_bytes()), Phash.image_input)


class TestPhash(ExtractorSuite):
    def make_extractor(self) -> Phash:
        return Phash()


def test_the_hash_is_the_one_defined() -> None:
    extractor = Phash()
    for picture in make_pictures(extractor, 20):
        np.testing.assert_array_equal(extractor.extract([picture])[0].rows[0], plain_hash(picture))


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_the_hash_of_the_turned_picture(view: str) -> None:
    extractor = Phash()
    for picture in make_pictures(extractor, 5):
        turned = np.ascontiguousarray(TURNS[view](picture))
        views = extractor.query_views([picture], {"orientations": "all"})[0].rows
        np.testing.assert_array_equal(views[VIEWS.index(view)], extractor.extract([turned])[0].rows[0])


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({}, VIEWS[:2]),
        ({"orientations": "none"}, VIEWS[:1]),
        ({"orientations": "mirrored"}, VIEWS[:2]),
        ({"orientations": "all"}, VIEWS),
    ],
)
def test_the_parameter_says_which_views_are_asked(params: dict[str, Any], names: tuple[str, ...]) -> None:
    extractor = Phash()
    (views,) = extractor.query_views(make_pictures(extractor, 1), params)
    assert views.rows.shape == (len(names), 72)
    assert tuple(extractor.view_name(i, params) for i in range(len(names))) == names


@pytest.mark.parametrize("value", ["some", "", 3, None, ["all"], {"all": 1}])
def test_a_bad_orientation_is_refused_with_those_allowed(value: object) -> None:
    with pytest.raises(InvalidField, match="orientations") as refusal:
        Phash().query_views([], {"orientations": value})
    assert "none, mirrored, all" in refusal.value.hint


def test_views_are_near_those_of_the_picture_where_only_its_hash_is_left(shared_dir: Path) -> None:
    photos = sorted((shared_dir / "photos" / "clothing").glob("*.jpg"))[:40]
    pixels = [prepare(decode(photo.read_bytes()), Phash.image_input) for photo in photos]
    true = np.stack([np.asarray(one.query_rows) for one in Phash().extract(pixels)])
    made = views_of_hashes(true[:, 0])
    distances = np.bitwise_count(made ^ true).sum(axis=-1)
    assert made.shape == (len(photos), len(VIEWS), 72)
    assert not distances[:, [VIEWS.index("as_given"), VIEWS.index("transposed")]].any()
    assert distances.max() <= 36
    assert np.median(distances[:, VIEWS.index("mirrored")]) <= 10


def test_flat_pictures_hash_alike_whatever_their_gray() -> None:
    extractor = Phash()
    flat = [np.full((96, 96), value, np.uint8) for value in (1, 77, 128, 254)]
    assert len({features.rows.tobytes() for features in extractor.extract(flat)}) == 1


def test_distance_counts_bits() -> None:
    a, b = np.zeros(72, np.uint8), np.zeros(72, np.uint8)
    b[3], b[71] = 0b101, 0xFF
    assert Phash().distance(a, b) == 10


def test_edits_of_a_photo_are_near_it(shared_dir: Path) -> None:
    extractor, folder = Phash(), shared_dir / "photos/edits/bridge"
    original = extractor.extract([file_view(folder / "aaa-orig.jpg")])[0].rows[0]
    for path in sorted(folder.glob("*.jpg")):
        assert extractor.distance(original, extractor.extract([file_view(path)])[0].rows[0]) <= 64, path.name


def test_all_rotations_and_flips_are_one_picture(shared_dir: Path) -> None:
    extractor = Phash()
    pictures = [file_view(path) for path in sorted((shared_dir / "photos/edits/dihedral").glob("*.jpg"))]
    assert len(pictures) == 8
    stored = [features.rows[0] for features in extractor.extract(pictures)]
    for views in extractor.query_views(pictures, {"orientations": "all"}):
        assert all(min(extractor.distance(view, row) for view in views.rows) <= 64 for row in stored)


def test_all_exif_orientations_are_one_picture(shared_dir: Path) -> None:
    extractor = Phash()
    pictures = [file_view(path) for path in sorted((shared_dir / "photos/orientation").glob("*.jpg"))]
    first, *others = (features.rows[0] for features in extractor.extract(pictures))
    assert max(extractor.distance(first, other) for other in others) <= 32  # decoded in full they are 20 apart


@pytest.mark.parametrize("suffix", each("jpg", "png", "webp"))
def test_all_colour_modes_are_one_picture(shared_dir: Path, suffix: str) -> None:
    extractor, folder = Phash(), shared_dir / "photos/modes"
    original = extractor.extract([file_view(folder / "original.jpg")])[0].rows[0]
    paths = sorted(folder.glob(f"*.{suffix}"))
    assert len(paths) > 3
    for path in paths:
        assert extractor.distance(original, extractor.extract([file_view(path)])[0].rows[0]) <= 64, path.name

"""Values of the original's tables as rows."""

from __future__ import annotations

import numpy as np
import pytest

from graph.ambience_data.defects import Defects
from graph.ambience_data.vectors import Rows, rows_of
from tests.unit.graph.ambience_data.installation import (
    hashes_and_histograms,
    random_hash,
    random_histogram,
    random_vector,
)

RNG = np.random.default_rng(3)


def rows_and_codes(feature: str, width: int, values: dict[int, bytes]) -> tuple[Rows, dict[str, str]]:
    defects = Defects()
    rows = rows_of(feature, width, "store", values, defects)
    return rows, {failure.path: failure.code for failure in defects.taken()}


def test_a_hash_is_taken_as_it_is() -> None:
    hashes = {number: random_hash(RNG) for number in (5, 1, 9)}
    rows, told = rows_and_codes("phash", 72, {**hashes, 2: b"short"})
    assert {number: row.tobytes() for number, row in rows.items()} == hashes
    assert {row.shape for row in rows.values()} == {(1, 72)}
    assert told == {"store: 2": "wrong_length"}


@pytest.mark.parametrize("scale", [1.0, 1e7])
def test_a_histogram_sums_to_one_whatever_its_scale(scale: float) -> None:
    rows, told = rows_and_codes("color", 2048, {1: random_histogram(RNG, scale)})
    assert rows[1].sum() == pytest.approx(1, abs=1e-6)
    assert not told


def test_a_histogram_of_the_original_is_ours() -> None:
    _, histogram = hashes_and_histograms(4)
    rows, _ = rows_and_codes("color", 2048, {4: histogram})
    assert np.abs(rows[4] - np.frombuffer(histogram, np.float32) / 1e7).max() < 1e-7


def test_a_vector_has_unit_norm() -> None:
    value = np.frombuffer(random_vector(RNG, 768), np.float32) * 7
    rows, told = rows_and_codes("global", 3072, {1: value.tobytes()})
    assert np.linalg.norm(rows[1]) == pytest.approx(1, abs=1e-6)
    assert rows[1].dtype == np.float32
    assert not told


def test_what_is_no_vector_is_told_and_the_others_are_taken() -> None:
    bad = np.frombuffer(random_vector(RNG, 16), np.float32).copy()
    bad[3] = np.nan
    values = {1: random_vector(RNG, 16), 2: bad.tobytes(), 3: bytes(64), 4: bytes(60)}
    rows, told = rows_and_codes("global", 64, values)
    assert list(rows) == [1]
    assert told == {"store: 2": "not_finite", "store: 3": "no_direction", "store: 4": "wrong_length"}


def test_what_is_no_histogram_is_told_and_the_others_are_taken() -> None:
    good = np.frombuffer(random_histogram(RNG), np.float32)
    infinite, negative = good.copy(), good.copy()
    infinite[0], negative[0] = np.inf, -1e6
    values = {0: good, 1: good * 0.5, 2: infinite, 3: negative, 4: good * 0}
    rows, told = rows_and_codes("color", 2048, {number: value.tobytes() for number, value in values.items()})
    assert list(rows) == [0]
    assert told == {
        "store: 1": "no_histogram",
        "store: 2": "not_finite",
        "store: 3": "no_histogram",
        "store: 4": "no_histogram",
    }


@pytest.mark.parametrize("feature", ["phash", "color", "global"])
def test_nothing_gives_nothing(feature: str) -> None:
    assert rows_and_codes(feature, 2048, {}) == ({}, {})

"""A snapshot is believed only when everything in it agrees."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from storage.index_kinds import build_index
from storage.row_blocks import BLOCK_ROWS
from storage.snapshot import load_snapshot, remove_snapshots, save_snapshot
from storage.types import FeatureSpec
from storage.vectors import VectorIndex
from tests.suites.vector_index_suite import SPECS, add, make_rows, numbers, remove


def make_index(spec: FeatureSpec, count: int = 50) -> VectorIndex:
    rows = make_rows(spec, count, np.random.default_rng(0))
    return remove(add(build_index(spec), numbers(0, count), rows), numbers(3, 5), rows)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_what_was_saved_is_loaded(tmp_path: Path, spec: FeatureSpec) -> None:
    index = make_index(spec)
    save_snapshot(tmp_path, spec, index, sequence=7, owner="aa")
    snapshot = load_snapshot(tmp_path, spec)
    assert snapshot is not None
    assert (snapshot.sequence, snapshot.owner) == (7, "aa")
    np.testing.assert_array_equal(snapshot.handles, index.live_rows()[0])
    np.testing.assert_array_equal(snapshot.rows, index.live_rows()[1])


def test_an_index_of_several_blocks_is_saved_in_one(tmp_path: Path) -> None:
    spec = SPECS[1]
    index = make_index(spec, BLOCK_ROWS + 100)
    save_snapshot(tmp_path, spec, index, sequence=1, owner="aa")
    snapshot = load_snapshot(tmp_path, spec)
    assert snapshot is not None
    np.testing.assert_array_equal(snapshot.rows, index.live_rows()[1])


def test_an_empty_index_can_be_saved(tmp_path: Path) -> None:
    save_snapshot(tmp_path, SPECS[0], build_index(SPECS[0]), sequence=0, owner="aa")
    snapshot = load_snapshot(tmp_path, SPECS[0])
    assert snapshot is not None
    assert snapshot.rows.shape == (0, 72)


def test_only_the_newest_is_kept(tmp_path: Path) -> None:
    for sequence in (9, 10, 10):
        save_snapshot(tmp_path, SPECS[0], make_index(SPECS[0]), sequence=sequence, owner="aa")
    assert [path.name for path in (tmp_path / "bits").iterdir()] == ["10"]


def test_without_any_there_is_none(tmp_path: Path) -> None:
    assert load_snapshot(tmp_path, SPECS[0]) is None
    remove_snapshots(tmp_path, "bits")


def flip(path: Path) -> None:
    value = bytearray(path.read_bytes())
    value[-1] ^= 1
    path.write_bytes(value)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def say_other(key: str, value: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))

    return change


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("rows.npy", flip),
        ("rows.npy", cut),
        ("rows.npy", Path.unlink),
        ("handles.npy", flip),
        ("handles.npy", Path.unlink),
        ("manifest.json", cut),
        ("manifest.json", Path.unlink),
        ("manifest.json", say_other("sequence", 8)),
        ("manifest.json", say_other("fingerprint", "v2")),
        ("manifest.json", say_other("format", 99)),
        ("manifest.json", say_other("rows", 47)),
        ("manifest.json", say_other("unheard_of", 1)),
    ],
)
def test_a_damaged_one_is_set_aside_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str, damage: Callable[[Path], None]
) -> None:
    save_snapshot(tmp_path, SPECS[0], make_index(SPECS[0]), sequence=7, owner="aa")
    damage(tmp_path / "bits" / "7" / file)
    with caplog.at_level(logging.WARNING):
        assert load_snapshot(tmp_path, SPECS[0]) is None
    assert "rebuilt" in caplog.text


def test_one_that_was_not_finished_is_not_looked_at(tmp_path: Path) -> None:
    save_snapshot(tmp_path, SPECS[0], make_index(SPECS[0]), sequence=7, owner="aa")
    (tmp_path / "bits" / "7").rename(tmp_path / "bits" / "7.unfinished")
    assert load_snapshot(tmp_path, SPECS[0]) is None

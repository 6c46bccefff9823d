"""A snapshot is believed only when everything in it agrees."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from storage.index.inverted_file import DescriptorIndex
from storage.index.row_blocks import BLOCK_ROWS
from storage.index.vector_index import VectorIndex
from storage.types.features import FeatureSpec
from storage.upkeep.factory import build_index
from storage.upkeep.snapshots import load_snapshot, partition_checksum, remove_snapshots, save_snapshot
from tests.suites.vector_index_suite import LOCAL_SPECS, SPECS, add, make_rows, numbers, of_every, remove


def make_index(spec: FeatureSpec, count: int = 50) -> VectorIndex:
    rows = make_rows(spec, count, np.random.default_rng(0))
    return remove(add(build_index(spec), numbers(0, count), rows), numbers(3, 5), rows)


@of_every
def test_what_was_saved_is_loaded(tmp_path: Path, spec: FeatureSpec) -> None:
    index = make_index(spec)
    save_snapshot(tmp_path, spec, index, sequence=7, owner="aa")
    snapshot = load_snapshot(tmp_path, spec)
    assert snapshot is not None
    assert (snapshot.manifest.sequence, snapshot.manifest.owner) == (7, "aa")
    np.testing.assert_array_equal(snapshot.handles, index.live_rows()[0])
    np.testing.assert_array_equal(snapshot.rows, index.live_rows()[1])


def make_sorted_index() -> DescriptorIndex:
    """An index with lists, and a removed picture."""
    (spec,) = LOCAL_SPECS
    rng = np.random.default_rng(1)
    centroids = rng.uniform(0, 15, (6, spec.dim)).astype(np.float32)
    index = add(build_index(spec, None, centroids), numbers(0, 200), make_rows(spec, 200, rng))
    index = remove(index, numbers(20, 40), make_rows(spec, 0, rng))
    assert isinstance(index, DescriptorIndex)
    return index


def test_the_lists_of_an_index_are_saved_with_it(tmp_path: Path) -> None:
    index = make_sorted_index()
    save_snapshot(tmp_path, LOCAL_SPECS[0], index, sequence=7, owner="aa")
    snapshot = load_snapshot(tmp_path, LOCAL_SPECS[0])
    assert snapshot is not None
    assert snapshot.lists is not None
    assert snapshot.manifest.partition == partition_checksum(index)
    for number, (handles, codes) in enumerate(index.live_blocks()):
        np.testing.assert_array_equal(snapshot.handles[snapshot.lists == number], handles)
        np.testing.assert_array_equal(snapshot.rows[snapshot.lists == number], codes)


def test_an_index_of_one_list_is_saved_without_any(tmp_path: Path) -> None:
    save_snapshot(tmp_path, LOCAL_SPECS[0], make_index(LOCAL_SPECS[0]), sequence=7, owner="aa")
    snapshot = load_snapshot(tmp_path, LOCAL_SPECS[0])
    assert snapshot is not None
    assert (snapshot.lists, snapshot.manifest.partition) == (None, 0)
    assert not (tmp_path / "descriptors" / "7" / "lists.npy").exists()


def test_one_partition_is_told_from_another() -> None:
    one, other = make_sorted_index(), make_sorted_index()
    assert partition_checksum(one) == partition_checksum(other) > 0
    other.centroids[3, 5] += 0.5
    assert partition_checksum(one) != partition_checksum(other)


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


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("lists.npy", flip),
        ("lists.npy", cut),
        ("lists.npy", Path.unlink),
        ("lists.npy", lambda path: np.save(path, np.load(path).astype(np.int64))),
        ("lists.npy", lambda path: np.save(path, np.load(path)[1:])),
        ("manifest.json", say_other("lists_checksum", 5)),
    ],
)
def test_one_with_damaged_lists_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str, damage: Callable[[Path], None]
) -> None:
    save_snapshot(tmp_path, LOCAL_SPECS[0], make_sorted_index(), sequence=7, owner="aa")
    damage(tmp_path / "descriptors" / "7" / file)
    with caplog.at_level(logging.WARNING):
        assert load_snapshot(tmp_path, LOCAL_SPECS[0]) is None
    assert "rebuilt" in caplog.text


def test_one_that_was_not_finished_is_not_looked_at(tmp_path: Path) -> None:
    save_snapshot(tmp_path, SPECS[0], make_index(SPECS[0]), sequence=7, owner="aa")
    (tmp_path / "bits" / "7").rename(tmp_path / "bits" / "7.unfinished")
    assert load_snapshot(tmp_path, SPECS[0]) is None

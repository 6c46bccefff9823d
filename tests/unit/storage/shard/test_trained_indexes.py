"""A trained index is as it was after every opening: from its snapshot, the log, or the rows, whatever is damaged."""

from __future__ import annotations

import json
import logging
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from storage.index.descriptor_codes import unpacked
from storage.index.inverted_file import DescriptorIndex
from storage.operations.indexes import SaveIndexes, Train
from storage.operations.reports import Verify
from storage.shard.shard import Shard
from storage.types.searches import Hit
from storage.upkeep.factory import IndexConfig
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.samples import applied, delete, inside
from tests.unit.storage.scenes import LOCAL, find_scene, put_scene, query, scene, seen, similarity

SCENES = [scene(500 + number, count=40) for number in range(15)]
VIEW = similarity(0.9, -0.4, (20, 160))


@pytest.fixture
def trained(reopen: Reopen) -> Shard:
    shard = reopen([LOCAL])
    applied(shard, [put_scene(f"s{number}", one) for number, one in enumerate(SCENES)])
    shard.ask(Train("local"))
    return shard


def answers(shard: Shard) -> list[tuple[Hit, ...]]:
    return [find_scene(shard, query(seen(one, VIEW, seed=number))) for number, one in enumerate(SCENES[:3])]


def index_of(shard: Shard) -> DescriptorIndex:
    index = inside(shard).moment.indexes["local"]
    assert isinstance(index, DescriptorIndex)
    return index


def assert_sound(shard: Shard) -> None:
    """Every row is in the list of the nearest centroid, and none is missing."""
    assert shard.ask(Verify()).problems == ()
    index = index_of(shard)
    assert index.kind == "inverted_file"
    for number, (_, codes) in enumerate(index.live_blocks()):
        squared = np.square(unpacked(np.asarray(codes, np.uint8))[:, None] - index.centroids).sum(axis=2)
        np.testing.assert_array_equal(squared.argmin(axis=1), number)


def snapshots(tmp_path: Path) -> Path:
    return tmp_path / "shard" / "snapshots" / "local"


def saved(tmp_path: Path) -> Path:
    (folder,) = snapshots(tmp_path).iterdir()
    return folder


def kill(shard: Shard) -> None:
    """Ends the shard without its saying anything to the disk, as a killed process does."""
    inside(shard).upkeep._saved_sequence = inside(shard).moment.sequence
    shard.close()


def test_its_lists_are_taken_from_the_snapshot_as_they_were(
    reopen: Reopen, trained: Shard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = answers(trained)
    trained.close()
    sortings: list[object] = []

    def watched(self: DescriptorIndex, codes: object, count: int) -> object:
        sortings.append(codes)
        return sort(self, codes, count)  # type: ignore[arg-type]

    sort = DescriptorIndex._nearest_lists
    monkeypatch.setattr(DescriptorIndex, "_nearest_lists", watched)
    with caplog.at_level(logging.WARNING):
        shard = reopen([LOCAL])
    assert (sortings, caplog.text) == ([], "")
    assert answers(shard) == before
    assert_sound(shard)


def test_changes_after_the_snapshot_are_replayed_into_its_lists(reopen: Reopen, trained: Shard) -> None:
    trained.ask(SaveIndexes())
    applied(trained, [delete("s9"), put_scene("new", scene(600)), delete("s10")])
    before = answers(trained)
    kill(trained)
    shard = reopen([LOCAL])
    assert answers(shard) == before
    assert [hit.id for hit in find_scene(shard, query(scene(600)))] == ["new"]
    assert find_scene(shard, query(SCENES[9])) == ()
    assert_sound(shard)


def test_without_a_snapshot_the_rows_are_sorted_by_the_centroids_that_were_kept(
    reopen: Reopen, trained: Shard, tmp_path: Path
) -> None:
    before, centroids = answers(trained), index_of(trained).centroids
    trained.close()
    shutil.rmtree(snapshots(tmp_path))
    shard = reopen([LOCAL])
    np.testing.assert_array_equal(index_of(shard).centroids, centroids)
    assert answers(shard) == before
    assert_sound(shard)


def test_a_snapshot_from_before_the_training_is_sorted(reopen: Reopen, tmp_path: Path) -> None:
    shard = reopen([LOCAL])
    applied(shard, [put_scene(f"s{number}", one) for number, one in enumerate(SCENES)])
    shard.ask(SaveIndexes())
    assert not (saved(tmp_path) / "lists.npy").exists()
    before = answers(shard)
    shard.ask(Train("local"))
    kill(shard)
    shard = reopen([LOCAL])
    assert answers(shard) == before
    assert_sound(shard)


def test_a_snapshot_of_other_centroids_is_sorted_anew(reopen: Reopen, trained: Shard) -> None:
    trained.ask(SaveIndexes())
    first = index_of(trained).centroids
    applied(trained, [put_scene(f"n{number}", scene(700 + number, count=40)) for number in range(15)])
    before = answers(trained)
    trained.ask(Train("local"))
    kill(trained)
    shard = reopen([LOCAL])
    assert len(index_of(shard).centroids) > len(first)
    assert answers(shard) == before
    assert_sound(shard)


def test_a_training_is_saved_though_nothing_was_written_since_the_snapshot(
    reopen: Reopen, trained: Shard, tmp_path: Path
) -> None:
    trained.ask(SaveIndexes())
    applied(trained, [put_scene(f"n{number}", scene(700 + number, count=40)) for number in range(15)])
    trained.ask(SaveIndexes())
    before = json.loads((saved(tmp_path) / "manifest.json").read_text())["partition"]
    trained.ask(Train("local"))
    trained.ask(SaveIndexes())
    after = json.loads((saved(tmp_path) / "manifest.json").read_text())["partition"]
    assert before != after
    trained.close()
    assert_sound(reopen([LOCAL]))


def test_an_index_that_is_to_be_exact_from_now_on_is(reopen: Reopen, trained: Shard) -> None:
    before = answers(trained)
    shard = reopen([LOCAL], index_configs={"local": IndexConfig("exact")})
    assert index_of(shard).kind == "exact"
    assert answers(shard) == before
    assert shard.ask(Verify()).problems == ()
    shard = reopen([LOCAL])
    assert answers(shard) == before
    assert_sound(shard)


def flip(folder: Path) -> None:
    value = bytearray((folder / "lists.npy").read_bytes())
    value[-1] ^= 1
    (folder / "lists.npy").write_bytes(value)


def name_a_list_that_is_none(folder: Path) -> None:
    lists = np.load(folder / "lists.npy")
    lists[7] = 10_000
    np.save(folder / "lists.npy", lists)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["lists_checksum"] = zlib.crc32(lists.tobytes())
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "damage",
    [flip, name_a_list_that_is_none, lambda folder: (folder / "lists.npy").unlink()],
    ids=["flipped", "out of range", "gone"],
)
def test_a_snapshot_with_damaged_lists_is_set_aside_and_the_log_says_so(
    reopen: Reopen, trained: Shard, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    before = answers(trained)
    trained.close()
    damage(saved(tmp_path))
    with caplog.at_level(logging.WARNING):
        shard = reopen([LOCAL])
    assert "rebuilt" in caplog.text
    assert not snapshots(tmp_path).exists()
    assert answers(shard) == before
    assert_sound(shard)

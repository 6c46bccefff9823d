"""Opening a shard gives the indexes it had, whether from a snapshot, the log or the rows."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from storage.operations.indexes import SaveIndexes
from storage.operations.reports import Backup, Verify
from storage.shard.shard import Shard
from storage.tables.registration import take_ownership
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.samples import applied, delete, fill, find, found_ids, inside, open_shard, put

MANY = [put(f"i{number:02}") for number in range(20)]


def state(shard: Shard) -> list[object]:
    return [find(shard, seed, feature, k=99) for seed in ("i03", "i11", "x") for feature in ("phash", "color")]


def snapshots(tmp_path: Path) -> Path:
    return tmp_path / "shard" / "snapshots"


def kill(shard: Shard) -> None:
    """Ends the shard without its saying anything to the disk, as a killed process does."""
    inside(shard).upkeep._saved_sequence = inside(shard).moment.sequence
    shard.close()


def test_closing_saves_what_the_next_opening_loads(
    reopen: Reopen, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shard = reopen()
    applied(shard, MANY)
    before = state(shard)
    shard.close()
    assert [path.name for path in (snapshots(tmp_path) / "phash").iterdir()] == ["1"]
    with caplog.at_level(logging.WARNING):
        shard = reopen()
    assert state(shard) == before
    assert caplog.text == ""


def test_changes_after_the_snapshot_are_replayed(
    reopen: Reopen, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shard = reopen()
    applied(shard, [*MANY, put("late", pending=["color"])])
    shard.ask(SaveIndexes())
    applied(shard, [delete("i03"), put("x")])
    applied(shard, [put("i04", seed="new", on_conflict="replace"), put("y"), fill("late", ["color"])])
    applied(shard, [delete("y", "y gone")])
    before = state(shard)
    kill(shard)
    with caplog.at_level(logging.WARNING):
        shard = reopen()
    assert state(shard) == before
    assert caplog.text == ""
    assert (found_ids(shard, "late", "color"), found_ids(shard, "new"), found_ids(shard, "y")) == (
        ["late"],
        ["i04"],
        [],
    )
    assert shard.ask(Verify()).problems == ()


def test_without_snapshots_the_rows_are_read(reopen: Reopen, tmp_path: Path) -> None:
    shard = reopen()
    applied(shard, MANY)
    before = state(shard)
    shard.close()
    shutil.rmtree(snapshots(tmp_path))
    shard = reopen()
    assert state(shard) == before
    assert shard.ask(Verify()).problems == ()


def test_a_damaged_snapshot_is_replaced_from_the_rows(reopen: Reopen, tmp_path: Path) -> None:
    shard = reopen()
    applied(shard, MANY)
    before = state(shard)
    shard.close()
    (snapshots(tmp_path) / "phash" / "1" / "rows.npy").write_bytes(b"")
    shard = reopen()
    assert state(shard) == before
    assert not (snapshots(tmp_path) / "phash").exists()


def test_a_snapshot_the_log_does_not_reach_back_to_is_not_used(reopen: Reopen, tmp_path: Path) -> None:
    shard = reopen()
    applied(shard, MANY)
    shard.ask(SaveIndexes())
    shutil.copytree(snapshots(tmp_path), tmp_path / "old")
    applied(shard, [delete("i03")])
    shard.ask(SaveIndexes())
    shard.close()
    shutil.rmtree(snapshots(tmp_path))
    shutil.copytree(tmp_path / "old", snapshots(tmp_path))
    shard = reopen()
    assert found_ids(shard, "i03") == []
    assert shard.ask(Verify()).problems == ()


def test_a_snapshot_of_another_history_is_not_used(tmp_path: Path) -> None:
    shard = open_shard(tmp_path / "shard")
    applied(shard, [put("a")])
    shard.ask(Backup(str(tmp_path / "backup")))
    applied(shard, [put("lost")])
    shard.close()
    shutil.rmtree(tmp_path / "shard" / "store")
    shutil.copytree(tmp_path / "backup" / "store", tmp_path / "shard" / "store")
    shard = open_shard(tmp_path / "shard")
    applied(shard, [put("b")])
    assert (found_ids(shard, "lost"), found_ids(shard, "b")) == ([], ["b"])
    assert shard.ask(Verify()).problems == ()
    shard.close()


def test_a_snapshot_written_after_the_backup_by_another_owner_is_not_used(tmp_path: Path) -> None:
    shard = open_shard(tmp_path / "shard")
    applied(shard, [put("a")])
    shard.ask(Backup(str(tmp_path / "backup")))
    shard.close()
    shard = open_shard(tmp_path / "shard")
    applied(shard, [put("a", seed="other", on_conflict="replace")])
    shard.close()
    restored = open_shard(tmp_path / "backup")
    applied(restored, [put("b")])
    kill(restored)
    shutil.copytree(tmp_path / "shard" / "snapshots", tmp_path / "backup" / "snapshots", dirs_exist_ok=True)
    restored = open_shard(tmp_path / "backup")
    assert (found_ids(restored, "a"), found_ids(restored, "other"), found_ids(restored, "b")) == (["a"], [], ["b"])
    assert restored.ask(Verify()).problems == ()
    restored.close()


def test_saving_again_without_changes_writes_nothing(reopen: Reopen, tmp_path: Path) -> None:
    shard = reopen()
    applied(shard, MANY)
    shard.ask(SaveIndexes())
    stamp = (snapshots(tmp_path) / "phash" / "1").stat().st_mtime_ns
    shard.ask(SaveIndexes())
    assert (snapshots(tmp_path) / "phash" / "1").stat().st_mtime_ns == stamp


def test_ownership_is_remembered_for_as_many_openings_as_needed(reopen: Reopen, tmp_path: Path) -> None:
    shard = reopen()
    applied(shard, MANY)
    shard.close()
    shard = reopen()
    for _ in range(3):
        take_ownership(inside(shard).store, 0, 1)
    kill(shard)
    assert found_ids(reopen(), "i05") == ["i05"]
    assert (snapshots(tmp_path) / "phash" / "1").exists()

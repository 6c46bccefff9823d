"""What is settled when a shard is opened: its identity, its owner, its features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from storage.errors import DataFolderInUse, FingerprintMismatch, LostOwnership, Misconfigured
from storage.shard.shard import Shard
from storage.tables.registration import take_ownership
from tests.unit.storage.samples import COLOR, PHASH, delete, fill, find, found_ids, open_shard, outcomes, put

Reopen = Callable[..., Shard]


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    shard = open_shard(tmp_path)
    with pytest.raises(DataFolderInUse, match="in use by process"):
        open_shard(tmp_path, lock_timeout_s=0)
    shard.close()
    open_shard(tmp_path).close()


def test_a_shard_that_cannot_be_opened_leaves_its_folder_free(tmp_path: Path) -> None:
    open_shard(tmp_path).close()
    with pytest.raises(Misconfigured):
        open_shard(tmp_path, shard_count=2)
    open_shard(tmp_path, lock_timeout_s=0).close()


@pytest.mark.parametrize(("index", "shard_count"), [(1, 2), (0, 3)])
def test_the_folder_of_another_shard_is_refused(reopen: Reopen, index: int, shard_count: int) -> None:
    reopen(index=0, shard_count=2)
    with pytest.raises(Misconfigured, match="reshard"):
        reopen(index=index, shard_count=shard_count)


def test_every_opening_is_a_new_epoch(reopen: Reopen) -> None:
    assert [reopen().epoch for _ in range(3)] == [1, 2, 3]


def test_a_shard_that_was_taken_over_writes_nothing_more(shard: Shard) -> None:
    shard.apply([put("a")])
    take_ownership(shard._store, 0, 1)
    for write in (lambda: shard.apply([put("b")]), shard.snapshot, lambda: shard.add_job_failures("j", [])):
        with pytest.raises(LostOwnership):
            write()
    assert found_ids(shard, "a") == ["a"]
    assert found_ids(shard, "b") == []
    shard.close()


def test_another_model_is_refused_and_the_data_stays(reopen: Reopen) -> None:
    reopen().apply([put("a")])
    with pytest.raises(FingerprintMismatch, match=r"'color'.*'color-1'.*'color-2'"):
        reopen([PHASH, replace(COLOR, fingerprint="color-2")])
    assert found_ids(reopen(), "a", "color") == ["a"]


@pytest.mark.parametrize("names", [["Phash"], ["../phash"], [""], ["phash", "phash"]])
def test_feature_names_are_plain_and_different(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(Misconfigured, match="feature name"):
        open_shard(tmp_path, [replace(PHASH, name=name) for name in names])


def test_a_new_feature_is_pending_for_every_image_and_can_be_filled(
    reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.tables.registration.CHANGED_AT_ONCE", 2)
    only_phash = [replace(put(name), features={"phash": put(name).features["phash"]}) for name in "abcde"]
    only_phash = [replace(one, record=replace(one.record, features={"phash": "ok"})) for one in only_phash]
    reopen([PHASH]).apply(only_phash)
    shard = reopen()
    assert [(image.id, image.features) for image in shard.pending(9)] == [(name, ("color",)) for name in "abcde"]
    assert shard.stats().features["color"].pending == 5
    assert shard.verify().problems == ()
    assert outcomes(shard.apply([fill("c", ["color"])])) == ["filled"]
    assert found_ids(shard, "c", "color") == ["c"]


def test_marking_that_was_interrupted_is_made_good_at_the_next_opening(
    reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.tables.registration.CHANGED_AT_ONCE", 1)
    shard = reopen([PHASH])
    for name in "abc":
        one = put(name)
        rows = {"phash": one.features["phash"]}
        shard.apply([replace(one, record=replace(one.record, features={"phash": "ok"}), features=rows)])
    calls = [0]

    def fail_at_second(*args: object) -> bool:
        calls[0] += 1
        if calls[0] == 2:
            raise KeyboardInterrupt
        return True

    with monkeypatch.context() as patched:
        patched.setattr("storage.tables.registration.can_be_filled", fail_at_second)
        with pytest.raises(KeyboardInterrupt):
            reopen()
    assert [image.id for image in reopen().pending(9)] == ["a", "b", "c"]


def test_a_feature_that_is_not_configured_keeps_its_data(reopen: Reopen) -> None:
    reopen().apply([put("a"), put("b"), put("c", pending=["color"])])
    shard = reopen([PHASH])
    assert find(shard, "a")[0].id == "a"
    assert shard.pending(9) == []
    assert "color" not in shard.stats().features
    shard.apply([delete("b")])
    one = put("d")
    shard.apply(
        [replace(one, record=replace(one.record, features={"phash": "ok"}), features={"phash": one.features["phash"]})]
    )
    shard = reopen()
    assert found_ids(shard, "a", "color") == ["a"]
    assert found_ids(shard, "b", "color") == []
    assert [image.id for image in shard.pending(9)] == ["c", "d"]
    assert shard.verify().problems == ()

"""A data folder is refused before anything is opened when it is not what the configuration says."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import CorruptData, FingerprintMismatch, Misconfigured
from storage.shard.data_folder import MANIFEST_NAME, check_data_folder, ensure_manifest, read_manifest, shard_directory
from storage.types.features import FeatureSpec

PHASH = FeatureSpec("phash", "binary", 576, "hamming", "phash-1")
COLOR = FeatureSpec("color", "dense", 512, "l1", "color-1")


def test_a_new_folder_is_fine_and_is_written_once(tmp_path: Path) -> None:
    check_data_folder(tmp_path / "data", 2, [PHASH])
    written = ensure_manifest(tmp_path / "data", 2, [PHASH])
    assert read_manifest(tmp_path / "data") == written
    stamp = (tmp_path / "data" / MANIFEST_NAME).stat().st_mtime_ns
    ensure_manifest(tmp_path / "data", 2, [PHASH])
    assert (tmp_path / "data" / MANIFEST_NAME).stat().st_mtime_ns == stamp
    assert [path.name for path in (tmp_path / "data").iterdir()] == [MANIFEST_NAME]


def test_another_number_of_shards_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    ensure_manifest(tmp_path, 2, [PHASH])
    with pytest.raises(Misconfigured, match="set shards: 2"):
        check_data_folder(tmp_path, 3, [PHASH])


def test_another_model_is_refused_with_both_fingerprints(tmp_path: Path) -> None:
    ensure_manifest(tmp_path, 2, [PHASH, COLOR])
    newer = FeatureSpec("color", "dense", 512, "l1", "color-2")
    with pytest.raises(FingerprintMismatch, match=r"color.*color-1.*color-2"):
        check_data_folder(tmp_path, 2, [PHASH, newer])


def test_features_may_come_and_go_and_stay_known(tmp_path: Path) -> None:
    ensure_manifest(tmp_path, 2, [PHASH])
    ensure_manifest(tmp_path, 2, [COLOR])
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    assert manifest.fingerprints == {"phash": "phash-1", "color": "color-1"}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1, "shards": "x", "fingerprints": {}}'])
def test_a_damaged_manifest_is_corrupt_data(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST_NAME).write_text(text)
    with pytest.raises(CorruptData):
        check_data_folder(tmp_path, 2, [PHASH])


def test_a_manifest_of_a_later_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text('{"format": 2, "shards": 2, "fingerprints": {}}')
    with pytest.raises(CorruptData, match="format 2"):
        check_data_folder(tmp_path, 2, [PHASH])


def test_shards_without_a_manifest_are_not_taken_for_a_new_folder(tmp_path: Path) -> None:
    shard_directory(tmp_path, 0).mkdir()
    with pytest.raises(CorruptData, match=MANIFEST_NAME):
        check_data_folder(tmp_path, 2, [PHASH])

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from deployments.models.fetching import files as model_files
from deployments.models.fetching.families import DUAL_ENCODERS, GLOBAL
from deployments.models.fetching.files import ModelFiles, files_mark, find_model, model_folder
from storage.errors import ExtractorUnavailable
from tests.unit.deployments.models import tiny_models

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.tiny_vit(tmp_path_factory.mktemp("written"))


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "vit")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def find(model: Path | str, revision: str | None = None) -> ModelFiles:
    return find_model(str(model), revision, GLOBAL, "global")


def in_cache(cache: Path, written: Path, name: str = "owner/name", ref: str = "main") -> Path:
    repository = cache / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True, exist_ok=True)
    (repository / "refs" / ref).write_text(COMMIT)
    return shutil.copytree(written, repository / "snapshots" / COMMIT, dirs_exist_ok=True)


def sharded(folder: Path) -> dict[str, Any]:
    """The same weights, as one file that an index names."""
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    index = {"metadata": {}, "weight_map": {"a": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return index


def test_a_folder_is_found_by_its_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find(folder)
    assert (found.folder, found.model_type) == (folder, "vit")
    monkeypatch.setenv("HOME", str(folder.parent))
    assert find("~/vit").folder == folder


def test_an_id_is_looked_up_in_the_cache(cache: Path, written: Path) -> None:
    snapshot = in_cache(cache, written)
    assert find("owner/name").folder == snapshot
    assert find("owner/name", COMMIT).folder == snapshot
    in_cache(cache, written, ref="v1")
    assert find("owner/name", "v1").folder == snapshot


@pytest.mark.parametrize("revision", [None, "v2", COMMIT, "../../../../etc/passwd"])
def test_an_id_that_is_not_in_the_cache_says_how_to_fetch_it(cache: Path, revision: str | None) -> None:
    with pytest.raises(
        ExtractorUnavailable, match=r"'owner/other'.* is not on this machine \(fetch it: lookalike models"
    ):
        find("owner/other", revision)


@pytest.mark.parametrize("model", ["/no/such/folder", "./vit", "~/models/vit", "a/b/c", "../owner/name"])
def test_a_path_that_leads_nowhere_is_no_id(cache: Path, model: str) -> None:
    with pytest.raises(ExtractorUnavailable, match="there is no folder"):
        find(model)


def test_a_file_is_no_folder(folder: Path) -> None:
    with pytest.raises(ExtractorUnavailable, match="there is no folder"):
        model_folder(str(folder / "config.json"))


def test_a_folder_without_a_config_is_refused(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(ExtractorUnavailable, match=r"has no config\.json"):
        find(folder)


@pytest.mark.parametrize("content", ["{", "[]", "\x00"])
def test_a_damaged_config_is_refused(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    with pytest.raises(ExtractorUnavailable, match=r"config\.json"):
        find(folder)


def test_another_architecture_is_refused_with_those_that_are_taken(folder: Path) -> None:
    with pytest.raises(
        ExtractorUnavailable, match=r"image_text cannot use .*: its model_type is 'vit' \(name a .*siglip2"
    ):
        find_model(str(folder), None, DUAL_ENCODERS, "image_text")


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ExtractorUnavailable, match="are pickled"):
        find(folder)


def test_a_folder_without_weights_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(ExtractorUnavailable, match=r"it has no model\.safetensors"):
        find(folder)


@pytest.mark.parametrize("left", [0, 5, 200, -1])
def test_weights_cut_short_are_refused(folder: Path, left: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(ExtractorUnavailable, match=r"is not a \.safetensors file, or is cut short \(copy it again\)"):
        find(folder)


def test_what_is_no_safetensors_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(ExtractorUnavailable, match="cut short"):
        find(folder)


def test_every_shard_has_to_be_there(folder: Path) -> None:
    index = sharded(folder)
    assert find(folder).weights_digest()
    index["weight_map"]["b"] = "model-00002-of-00002.safetensors"
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ExtractorUnavailable, match=r"model-00002-of-00002\.safetensors are missing"):
        find(folder)


@pytest.mark.parametrize("content", ["{", "{}", '{"weight_map": []}', '{"weight_map": {"a": "../elsewhere"}}'])
def test_a_damaged_index_is_refused(folder: Path, content: str) -> None:
    sharded(folder)
    (folder / "model.safetensors.index.json").write_text(content)
    with pytest.raises(ExtractorUnavailable, match=r"index\.json"):
        find(folder)


def test_missing_packages_come_with_the_extra_that_has_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(ExtractorUnavailable, match=r"not installed: torch \(install .*'lookalike\[semantic\]'\)"):
        find(folder)


def test_the_mark_follows_weights_and_settings(folder: Path) -> None:
    before = files_mark(find(folder))
    assert files_mark(find(folder)) == before
    status = (folder / "model.safetensors").stat()
    os.utime(folder / "model.safetensors", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    weights = files_mark(find(folder))
    assert weights != before
    (folder / "preprocessor_config.json").write_text("{}")
    assert files_mark(find(folder)) not in (before, weights)


def test_the_digest_is_that_of_the_bytes(folder: Path) -> None:
    before = find(folder).weights_digest()
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert find(folder).weights_digest() != before


def test_settings_nested_as_transformers_5_writes_them_come_first(folder: Path) -> None:
    nested = {"image_processor": {"image_processor_type": "ViTImageProcessor", "size": {"height": 9, "width": 9}}}
    (folder / "processor_config.json").write_text(json.dumps(nested))
    assert find(folder).image_processor() == nested["image_processor"]
    (folder / "processor_config.json").write_text("{}")
    assert (find(folder).image_processor() or {})["image_processor_type"] == "ViTImageProcessor"
    (folder / "preprocessor_config.json").unlink()
    assert find(folder).image_processor() is None

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deployments.extractors.profile import ExtractorProfile
from deployments.keypoints.descriptor_networks import load_network, network_fingerprint
from deployments.keypoints.network_weights import MOST_BYTES, PUBLISHED
from storage.errors import ExtractorUnavailable, Misconfigured
from tests.unit.deployments.keypoints.weights import (
    Arrays,
    archive,
    hardnet,
    random_patches,
    safetensors,
    saved,
    tfeat,
    torch_and_kornia,
)


class Harmful:
    """What runs when it is unpickled makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_a_fingerprint_needs_no_torch_and_changes_with_the_file(tmp_path: Path) -> None:
    one, other = archive(tmp_path / "one.pth", "data.pkl"), archive(tmp_path / "other.pt", "data.pkl", "data/0")
    assert network_fingerprint(str(one)) != network_fingerprint(str(other))
    assert network_fingerprint(str(one)) == network_fingerprint(str(one))
    before = network_fingerprint(str(one))
    one.write_bytes(other.read_bytes())
    assert network_fingerprint(str(one)) == network_fingerprint(str(other)) != before


def test_a_path_may_be_relative_or_begin_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "network.pth", "data.pkl")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert network_fingerprint("network.pth") == network_fingerprint("~/network.pth") == network_fingerprint(str(path))


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_network_has_a_fingerprint_without_its_weights(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", "/nowhere")
    assert network_fingerprint(name).startswith(f"{name}-")
    profile = ExtractorProfile("local", {"descriptor": name})
    assert profile.spec is not None
    assert network_fingerprint(name) in profile.spec.fingerprint


def test_a_misspelt_name_is_refused_with_the_nearest_known() -> None:
    with pytest.raises(Misconfigured, match=r"no descriptor 'hartnet8'.*\(did you mean 'hardnet8'\?\)"):
        network_fingerprint("hartnet8")
    with pytest.raises(Misconfigured, match=r"it is one of rootsift, hardnet8, hardnet, or the path of a file"):
        network_fingerprint("weights.bin")


@pytest.mark.parametrize("load", [network_fingerprint, load_network])
def test_a_missing_file_is_named(load: Callable[[str], object], tmp_path: Path) -> None:
    with pytest.raises((Misconfigured, ExtractorUnavailable), match=r"absent.pth cannot be read: No such file"):
        load(str(tmp_path / "absent.pth"))


def test_a_folder_or_a_huge_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.pth").mkdir()
    with (tmp_path / "huge.pth").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    for name in ("folder.pth", "huge.pth"):
        with pytest.raises(Misconfigured, match="is not a file of at most"):
            network_fingerprint(str(tmp_path / name))


@pytest.mark.parametrize("name", ["garbage.pth", "garbage.safetensors", "empty.pt", "empty.safetensors"])
def test_garbage_is_refused_when_the_configuration_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"" if name.startswith("empty") else bytes(range(7, 256)) * 9)
    with pytest.raises(Misconfigured, match=f"{name} is not a .*, or is cut short"):
        network_fingerprint(str(tmp_path / name))


def test_torchscript_is_refused_and_why(tmp_path: Path) -> None:
    path = archive(tmp_path / "network.pt", "data.pkl", "constants.pkl", "code/network.py")
    with pytest.raises(Misconfigured, match=r"TorchScript, whose code would run here \(save its state_dict"):
        network_fingerprint(str(path))


def test_safetensors_give_the_same_network(tmp_path: Path) -> None:
    plain = load_network(str(saved(tfeat(), tmp_path / "plain.pth")))
    (tmp_path / "other.safetensors").write_bytes(safetensors(tfeat()))
    other = load_network(str(tmp_path / "other.safetensors"))
    np.testing.assert_array_equal(other.describe(random_patches(3)), plain.describe(random_patches(3)))
    assert other.fingerprint != plain.fingerprint


@pytest.mark.parametrize("length", [4, 100, 100_000])
@pytest.mark.parametrize("kind", ["new", "old", "safetensors"])
def test_a_file_that_is_cut_short_is_refused(kind: str, length: int, tmp_path: Path) -> None:
    path = tmp_path / ("network.safetensors" if kind == "safetensors" else "network.pth")
    if kind == "safetensors":
        torch_and_kornia()
        path.write_bytes(safetensors(tfeat()))
    else:
        saved(tfeat(), path, old=kind == "old")
    path.write_bytes(path.read_bytes()[:-length])
    with pytest.raises(ExtractorUnavailable, match=r"network\.\w+ (is not a|holds something else than tensors)"):
        load_network(str(path))


@pytest.mark.parametrize("old", [False, True])
def test_what_a_pickle_would_run_is_not_run(old: bool, tmp_path: Path) -> None:
    torch, path = torch_and_kornia(), tmp_path / "network.pth"
    torch.save({"weights": Harmful(tmp_path / "harm")}, path, _use_new_zipfile_serialization=not old)
    with pytest.raises(ExtractorUnavailable, match="holds something else than tensors") as caught:
        load_network(str(path))
    assert not (tmp_path / "harm").exists()
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize("content", [[1, 2, 3], {}, {"epoch": 3}, 5])
def test_a_file_without_a_state_dict_is_refused(content: object, tmp_path: Path) -> None:
    torch_and_kornia().save(content, tmp_path / "network.pth")
    with pytest.raises(ExtractorUnavailable, match="holds no state dict of tensors"):
        load_network(str(tmp_path / "network.pth"))


def without(arrays: Arrays, name: str) -> Arrays:
    return {key: array for key, array in arrays.items() if key != name}


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"fc.weight": np.zeros((4, 4), np.float32)}, "not those of TFeat, HardNet, HardNet8 with 128 numbers"),
        ({"classifier.1.weight": np.zeros(4, np.float32)}, "not those of TFeat, HardNet, HardNet8 with 128 numbers"),
        (hardnet(numbers=64), "not those of TFeat, HardNet, HardNet8 with 128 numbers"),
        (tfeat(numbers=256), "not those of TFeat, HardNet, HardNet8 with 128 numbers"),
        (without(hardnet(), "features.3.weight"), "like HardNet, but for features.3.weight"),
        (hardnet() | {"features.1.weight": np.ones(32, np.float32)}, "like HardNet, but for features.1.weight"),
        (tfeat() | {"features.1.bias": np.ones(16, np.float32)}, "like TFeat, but for features.1.bias"),
        (tfeat() | {"descr.0.bias": np.full(128, np.nan, np.float32)}, "give no numbers"),
    ],
    ids=[
        "another network",
        "a namesake",
        "64 numbers",
        "256 numbers",
        "a tensor less",
        "one more",
        "another shape",
        "not finite",
    ],
)
def test_weights_of_another_network_are_refused(arrays: Arrays, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ExtractorUnavailable, match=reason):
        load_network(str(saved(arrays, tmp_path / "network.pth")))

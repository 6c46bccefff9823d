"""The quantised tower against the module that it was made of: a small vision transformer of random weights."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from numpy.typing import NDArray

import deployments.models.integers.tower as tower_module
from deployments.models.integers.tower import IntegerTower, integer_tower, sample_pictures
from storage.errors import ExtractorUnavailable

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SIDE = 64
WEIGHTS = "weights"


@pytest.fixture(scope="module")
def module() -> Any:
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=128, num_hidden_layers=3, num_attention_heads=4, intermediate_size=256, image_size=SIDE
    )
    model = transformers.ViTModel(config, add_pooling_layer=False).eval()
    return ClassToken(model).eval()


class ClassToken(torch.nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Any) -> Any:
        return self.model(pixel_values=pixels).last_hidden_state[:, 0]


@pytest.fixture(scope="module")
def samples() -> NDArray[np.float32]:
    return np.stack([np.moveaxis(picture / np.float32(127.5) - 1, 2, 0) for picture in sample_pictures((SIDE, SIDE))])


@pytest.fixture(scope="module")
def tower(module: Any, samples: NDArray[np.float32]) -> IntegerTower:
    return integer_tower(module, samples, digest=WEIGHTS, threads=2)


def test_vectors_are_close_to_those_of_the_module(
    tower: IntegerTower, module: Any, samples: NDArray[np.float32]
) -> None:
    with torch.inference_mode():
        wanted = module(torch.from_numpy(samples)).numpy()
    given = tower(samples)
    cosines = (wanted * given).sum(1) / np.linalg.norm(wanted, axis=1) / np.linalg.norm(given, axis=1)
    assert cosines.min() > 0.995
    assert not np.array_equal(wanted, given)


def test_a_picture_has_the_same_vector_alone_in_a_batch_and_from_several_threads(
    tower: IntegerTower, samples: NDArray[np.float32]
) -> None:
    batch = tower(samples)
    answers: list[NDArray[np.float32]] = []
    threads = [Thread(target=lambda: answers.append(tower(samples[2:5]))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(answer, batch[2:5]) for answer in answers)
    assert len(answers) == len(threads)
    assert all(np.array_equal(tower(samples[i : i + 1])[0], batch[i]) for i in range(len(samples)))


def test_weights_have_seven_bits_and_a_scale_for_each_output(
    module: Any, samples: NDArray[np.float32], tmp_path: Path
) -> None:
    integer_tower(module, samples, digest=WEIGHTS, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    graph = onnx.load_model_from_string(file.read_bytes()[tower_module.DIGEST_BYTES :]).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    names = [node.input[1] for node in graph.node if node.op_type == "MatMulInteger"]
    floats = [layer.weight.detach().numpy().T for layer in module.modules() if isinstance(layer, torch.nn.Linear)]
    assert len(names) == len(floats)
    for name, weights in zip(names, floats, strict=True):
        scales = np.abs(weights).max(axis=0) / 64
        assert np.array_equal(constants[name], np.rint(weights / scales))
        assert np.array_equal(constants[name.replace("_quantized", "_scale")], scales)


def test_a_full_disk_is_not_held_against_the_model(
    module: Any, samples: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(tower_module, "quantised", Mock(side_effect=full))
    with pytest.raises(ExtractorUnavailable, match="No space left on device"):
        integer_tower(module, samples, digest=WEIGHTS, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_number_of_threads_changes_no_vector(
    tower: IntegerTower, module: Any, samples: NDArray[np.float32]
) -> None:
    assert np.array_equal(integer_tower(module, samples, digest=WEIGHTS, threads=1)(samples), tower(samples))


def test_the_same_weights_make_the_same_file(module: Any, samples: NDArray[np.float32], tmp_path: Path) -> None:
    files = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        integer_tower(module, samples, digest=WEIGHTS, cache=folder)
        files += [file.read_bytes() for file in folder.iterdir()]
    assert len(files) == 2
    assert files[0] == files[1]


def test_a_kept_model_is_used_and_a_damaged_one_made_again(
    tower: IntegerTower, module: Any, samples: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    integer_tower(module, samples, digest=WEIGHTS, cache=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(tower_module, "_exported", None)  # would be an error to call
        assert np.array_equal(integer_tower(module, samples, digest=WEIGHTS, cache=tmp_path)(samples), tower(samples))
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert np.array_equal(integer_tower(module, samples, digest=WEIGHTS, cache=tmp_path)(samples), tower(samples))
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [whole]


def test_a_model_that_is_not_exact_enough_is_refused_and_the_refusal_kept(
    module: Any, samples: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tower_module, "LEAST_COSINE", 1.1)
    with pytest.raises(ExtractorUnavailable, match=r"cosine down to 0\.99"):
        integer_tower(module, samples, digest=WEIGHTS, cache=tmp_path)
    monkeypatch.setattr(tower_module, "_exported", None)
    with pytest.raises(ExtractorUnavailable, match=r"cosine down to 0\.99"):
        integer_tower(module, samples, digest=WEIGHTS, cache=tmp_path)


def test_vectors_that_lose_what_tells_pictures_apart_are_too_far() -> None:
    apart = np.random.default_rng(0).standard_normal((6, 32)).astype(np.float32)
    alike = 100 + apart  # every one points the same way, but for a hundredth
    assert not tower_module._too_far(alike, alike + 0.1 * apart[::-1])
    assert "without what they share" in tower_module._too_far(alike, 100 + apart[::-1])


def test_a_model_without_matrix_products_is_refused(samples: NDArray[np.float32]) -> None:
    pooled = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()
    with pytest.raises(ExtractorUnavailable, match="no large matrix products"):
        integer_tower(pooled, samples, digest=WEIGHTS)


def test_a_model_that_cannot_be_exported_is_not_tried_again(
    module: Any, samples: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.onnx, "export", Mock(side_effect=RuntimeError("no such operator")))
    for _ in range(2):
        with pytest.raises(ExtractorUnavailable, match=r"cannot be exported \(RuntimeError: no such operator\)"):
            integer_tower(module, samples, digest=WEIGHTS, cache=tmp_path)
    torch.onnx.export.assert_called_once()


@pytest.mark.parametrize("package", ["onnxruntime", "onnx"])
def test_a_package_that_is_missing_is_not_held_against_the_model(
    module: Any, samples: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, package, None)
        with pytest.raises(ExtractorUnavailable, match=package):
            integer_tower(module, samples, digest=WEIGHTS, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_an_hour_later(tmp_path: Path) -> None:
    file = tmp_path / "digest-64x64-int8-1"
    for name, age_s in (("old", 2 * tower_module.STALE_AFTER_S), ("new", 60.0)):
        part = tmp_path / f"{file.name}{tower_module.PART}{name}"
        part.touch()
        os.utime(part, (time.time() - age_s,) * 2)
    other = tmp_path / "other-64x64-int8-1"
    other.touch()
    os.utime(other, (0, 0))
    tower_module._write(file, b"model")
    assert {path.name for path in tmp_path.iterdir()} == {file.name, other.name, f"{file.name}{tower_module.PART}new"}


def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    module: Any, samples: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ExtractorUnavailable, match="onnxruntime") as caught:
        integer_tower(module, samples, digest=WEIGHTS)
    assert "pip install" in caught.value.hint


def test_sample_pictures_are_the_same_always() -> None:
    first, again = (np.stack(list(sample_pictures((40, 30), 3))) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.shape == (3, 30, 40, 3)

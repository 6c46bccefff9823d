from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from deployments.models import towers
from deployments.models.fetching.families import GLOBAL
from deployments.models.fetching.files import find_model
from deployments.models.image_encoder import read_preprocessing
from deployments.models.image_modules import image_module, load_backbone
from deployments.models.loading import ModelConfig, Placement, load_model, load_tokenizer, placement_of
from deployments.models.preprocessing import Preprocessing
from deployments.models.towers import TorchTower, choose_tower
from storage.errors import ExtractorUnavailable
from tests.unit.deployments.models import tiny_models

CPU = Placement("cpu", "float32")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.tiny_vit(tmp_path_factory.mktemp("written"))


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "vit")


def change_config(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def settings(**values: Any) -> ModelConfig:
    return ModelConfig.model_validate({"model": "x", **values})


@pytest.mark.parametrize(
    "changed",
    [
        {"hidden_size": 64},  # shapes that do not fit
        {"num_attention_heads": 5},  # what the class itself refuses
        {"hidden_act": "no_such_function"},
        {"num_hidden_layers": "two"},
    ],
)
def test_whatever_goes_wrong_in_loading_is_one_error(folder: Path, changed: dict[str, Any]) -> None:
    change_config(folder, **changed)
    with pytest.raises(ExtractorUnavailable, match=r"the model in .*vit does not load: .*copy the whole folder again"):
        load_backbone(find_model(str(folder), None, GLOBAL, "global"), CPU)


def test_weights_that_a_checkpoint_lacks_are_no_random_numbers(folder: Path) -> None:
    change_config(folder, num_hidden_layers=3)
    with pytest.raises(
        ExtractorUnavailable, match=r"is not a checkpoint of AutoModel: it lacks .* more of its weights"
    ):
        load_backbone(find_model(str(folder), None, GLOBAL, "global"), CPU)


def test_weights_of_another_architecture_are_refused(folder: Path, tmp_path: Path) -> None:
    other = tiny_models.tiny_mobilenet(tmp_path / "mobilenet")
    shutil.copy(other / "model.safetensors", folder / "model.safetensors")
    with pytest.raises(ExtractorUnavailable, match="is not a checkpoint of AutoModel"):
        load_backbone(find_model(str(folder), None, GLOBAL, "global"), CPU)


def test_a_checkpoints_own_code_is_never_run(folder: Path) -> None:
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    change_config(folder, auto_map={"AutoModel": "evil.Model", "AutoConfig": "evil.Config"})
    loaded = load_model(find_model(str(folder), None, GLOBAL, "global"), "AutoModel", CPU)
    assert type(loaded.model) is transformers.ViTModel


def test_loading_says_nothing(
    folder: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    load_backbone(find_model(str(folder), None, GLOBAL, "global"), CPU)
    assert "".join(capfd.readouterr()) == ""
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


def test_a_missing_tokenizer_is_one_error(folder: Path) -> None:
    with pytest.raises(ExtractorUnavailable, match="there is no tokenizer"):
        load_tokenizer(find_model(str(folder), None, GLOBAL, "global"))
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ExtractorUnavailable, match="does not load"):
        load_tokenizer(find_model(str(folder), None, GLOBAL, "global"))


def test_a_tokenizer_class_that_needs_sentencepiece_is_not_needed(tmp_path: Path) -> None:
    folder = tiny_models.tiny_siglip(tmp_path / "siglip")
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tokenizer_class": "SiglipTokenizer"}))
    tokenizer = load_tokenizer(find_model(str(folder), None, GLOBAL, "global"))
    assert tokenizer("a dog")["input_ids"] == tiny_models.word_tokenizer(with_begin=False)("a dog")["input_ids"]


def test_auto_is_float32_on_a_cpu_and_bfloat16_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert placement_of(settings()) == CPU
    assert placement_of(settings(dtype="float16")).dtype == "float16"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert placement_of(settings()) == Placement("cuda", "bfloat16")
    assert placement_of(settings(device="cuda:0", dtype="float32")) == Placement("cuda:0", "float32")
    with pytest.raises(ExtractorUnavailable, match="there is no device 'cuda:1': torch sees 1"):
        placement_of(settings(device="cuda:1"))


def gray(side: int = 8) -> Preprocessing:
    from deployments.models.preprocessing import preprocessing_of

    return preprocessing_of({"size": side}, {}, "ViTImageProcessor")


class Runtime:
    """In place of the integer runtime: makes one, or says why not."""

    def __init__(self, refuses: bool) -> None:
        self.refuses = refuses

    def sample_pictures(self, size: tuple[int, int]) -> list[Any]:
        return [np.zeros((size[1], size[0], 3), np.uint8)]

    def integer_tower(self, module: Any, samples: Any, *, digest: str, cache: Path, threads: int) -> str:
        assert (samples.shape, digest) == ((1, 3, 8, 8), "digest")
        if self.refuses:
            raise ExtractorUnavailable("too far from float", "write precision: float")
        return "int8"


@pytest.mark.parametrize(
    ("wanted", "refuses", "is_int8"),
    [
        ({}, False, True),
        ({}, True, False),
        ({"precision": "int8"}, False, True),
        ({"precision": "float"}, False, False),
        ({"dtype": "float32"}, False, False),
    ],
)
def test_auto_is_int8_where_that_can_be_had_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch, wanted: dict[str, Any], refuses: bool, is_int8: bool
) -> None:
    monkeypatch.setattr(towers, "import_module", lambda name: Runtime(refuses))
    tower = choose_tower(torch.nn.Flatten(), CPU, settings(**wanted), gray(), digest="digest")
    assert isinstance(tower, TorchTower) != is_int8


def test_int8_that_was_asked_for_and_cannot_be_had_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(towers, "import_module", lambda name: Runtime(refuses=True))
    with pytest.raises(ExtractorUnavailable, match="too far"):
        choose_tower(torch.nn.Flatten(), CPU, settings(precision="int8"), gray(), digest="digest")
    gpu = Placement("cuda", "float32")
    with pytest.raises(ExtractorUnavailable, match="on a CPU only"):
        choose_tower(torch.nn.Flatten(), gpu, settings(precision="int8"), gray(), digest="digest")


def test_every_thread_and_batch_gives_the_same_bits(written: Path) -> None:
    files = find_model(str(written), None, GLOBAL, "global")
    module, _ = load_backbone(files, CPU)
    width, height = read_preprocessing(files).size
    pixels = np.random.default_rng(0).normal(size=(9, 3, height, width)).astype(np.float32)
    tower = TorchTower(module, CPU, 4)
    together = tower(pixels)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda i=i: found.append((i, tower(pixels[i : i + 1])))) for i in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, row in found:
        np.testing.assert_array_equal(row[0], together[i])


def test_a_gpu_is_given_batches() -> None:
    sizes = []

    def sums(model: Any, pixels: Any) -> Any:
        sizes.append(len(pixels))
        return pixels.sum((1, 2, 3))[:, None]

    tower = TorchTower(image_module(torch.nn.Identity(), sums), Placement("cpu", "float32"), 4)
    tower._cores = None  # as on a GPU
    assert tower(np.ones((10, 3, 2, 2), np.float32)).tolist() == [[12.0]] * 10
    assert sizes == [4, 4, 2]

"""Files of made-up weights for these tests."""

from __future__ import annotations

import json
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Arrays = dict[str, Any]  # arrays of numpy

HARDNET_LAYERS = [(32, 1, 3), (32, 32, 3), (64, 32, 3), (64, 64, 3), (128, 64, 3), (128, 128, 3)]


def torch_and_kornia() -> Any:
    """torch; the test is skipped where the extra is not installed."""
    pytest.importorskip("kornia")
    return pytest.importorskip("torch")


@cache
def random_weights(seed: int, *shape: int) -> Any:
    spread = 1 / np.sqrt(np.prod(shape[1:]))
    return np.random.default_rng(seed).normal(0, spread, shape).astype(np.float32)


def tfeat(seed: int = 0, numbers: int = 128) -> Arrays:
    """As kornia names them."""
    return {
        "features.1.weight": random_weights(seed, 32, 1, 7, 7),
        "features.1.bias": random_weights(seed + 1, 32, 49)[:, 0],
        "features.4.weight": random_weights(seed + 2, 64, 32, 6, 6),
        "features.4.bias": random_weights(seed + 3, 64, 1152)[:, 0],
        "descr.0.weight": random_weights(seed + 4, numbers, 4096),
        "descr.0.bias": random_weights(seed + 5, numbers, 4096)[:, 0],
    }


def hardtfeat(seed: int = 0) -> Arrays:
    """The same as its authors name them, with what their file has besides."""
    names = {"features.1": "features.0", "features.4": "features.3", "descr.0": "classifier.1"}
    arrays = {names[name.rpartition(".")[0]] + "." + name.rpartition(".")[2]: a for name, a in tfeat(seed).items()}
    arrays["classifier.1.weight"] = arrays["classifier.1.weight"].reshape(128, 64, 8, 8)
    return arrays | {"SIFT.gx.0.weight": random_weights(9, 1, 1, 1, 3)}


def hardnet(seed: int = 0, numbers: int = 128) -> Arrays:
    return _convolutions(seed, [*HARDNET_LAYERS, (numbers, 128, 8)], dropout_after=5)


def hardnet8(seed: int = 0) -> Arrays:
    layers = [*HARDNET_LAYERS, (256, 128, 3), (512, 256, 8)]
    pca = {"components": random_weights(seed + 50, 512, 128), "mean": random_weights(seed + 51, 512, 512)[:, 0]}
    return _convolutions(seed, layers, dropout_after=6) | pca


def _convolutions(seed: int, layers: list[tuple[int, int, int]], dropout_after: int) -> Arrays:
    arrays: Arrays = {}
    for number, (channels, inputs, side) in enumerate(layers):
        place = 3 * number + (number > dropout_after)
        arrays[f"features.{place}.weight"] = random_weights(seed + number, channels, inputs, side, side)
        arrays[f"features.{place + 1}.running_mean"] = np.zeros(channels, np.float32)
        arrays[f"features.{place + 1}.running_var"] = np.full(channels, 0.5, np.float32)
    return arrays


def saved(arrays: Arrays, path: Path, *, old: bool = False, within: str = "") -> Path:
    """Written by torch.save. old: in the format of torch before 1.6. within: the key that holds them, if any."""
    torch = torch_and_kornia()
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    content = {"epoch": 2, within: tensors} if within else tensors
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    return path


def safetensors(arrays: Arrays) -> bytes:
    header, data = {}, b""
    for name, array in arrays.items():
        end = len(data) + array.nbytes
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(data), end]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def archive(path: Path, *parts: str) -> Path:
    """A zip file with such parts in it, as torch writes them."""
    with zipfile.ZipFile(path, "w") as file:
        for part in parts:
            file.writestr(f"archive/{part}", b"\x80\x02}q\x00.")
    return path


def random_patches(count: int, seed: int = 0) -> Any:
    """(N, 32, 32) float32 of coarse textures, 0 to 255."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (count, 8, 8)).repeat(4, axis=1).repeat(4, axis=2)
    return np.clip(coarse + rng.normal(0, 10, coarse.shape), 0, 255).astype(np.float32)

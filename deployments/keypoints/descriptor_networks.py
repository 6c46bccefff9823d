"""Descriptors that were learned: small networks that look at a 32 x 32 patch and give 128 numbers.

HardNet after Mishchuk et al., "Working hard to know your neighbor's margins", NeurIPS 2017; HardNet8 after Pultar,
"Improving the HardNet descriptor", 2020; TFeat after Balntas et al., "Learning local feature descriptors with triplets
and shallow convolutional neural networks", BMVC 2016, also as trained with HardNet's loss (HardTFeat). The networks
themselves are kornia's. Each brings every patch to zero mean and unit deviation first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deployments.keypoints.network_weights import (
    PUBLISHED,
    Tensors,
    optional_module,
    published_weights,
    read_tensors,
    weights_file,
)
from deployments.keypoints.patches import Patches
from storage.errors import ExtractorUnavailable, Misconfigured
from storage.index.descriptor_codes import LEVELS
from storage.types.features import FloatVectors

VERSION = "1"  # raise it when the same weights would give other numbers
DIM = 128
PATCH_SIDE = 32
PATCH_WIDTH = 16.0  # sigmas; at 12, which is kornia's way, TFeat has two fifths more wrong matches and no more right
CHUNK = 32  # patches


@dataclass(frozen=True, slots=True)
class Architecture:
    """A class of kornia.feature, known by the shape of one tensor.

    step: of the 4-bit levels, which lie evenly around 0. TFeat's numbers are hardly ever beyond 0.17; the others' are
    about normal, of deviation 1 / sqrt(128), but for HardNet8's first, which a PCA made larger.
    """

    kornia_class: str
    tensor: str
    shape: tuple[int, ...]
    step: float


ARCHITECTURES = (
    Architecture("TFeat", "descr.0.weight", (DIM, 64 * 8 * 8), step=0.022),
    Architecture("HardNet", "features.19.weight", (DIM, 128, 8, 8), step=0.03),
    Architecture("HardNet8", "components", (512, DIM), step=0.034),
)
HARDTFEAT_NAMES: Mapping[str, str] = {  # kornia's by those of HardTFeat, which normalises outside of its layers
    "features.0.weight": "features.1.weight",
    "features.0.bias": "features.1.bias",
    "features.3.weight": "features.4.weight",
    "features.3.bias": "features.4.bias",
    "classifier.1.weight": "descr.0.weight",
    "classifier.1.bias": "descr.0.bias",
}


class NetworkDescriptor:
    """A network on the GPU where this process has one, else on the CPU. Thread-safe."""

    dim = DIM
    patch_side = PATCH_SIDE
    spacing = PATCH_WIDTH / PATCH_SIDE

    def __init__(self, network: Any, architecture: Architecture, fingerprint: str) -> None:
        torch = optional_module("torch")
        self.fingerprint = fingerprint
        self.step = architecture.step
        self.lowest = -(LEVELS - 1) / 2 * architecture.step
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        if self._device == "cuda":
            torch.backends.cudnn.allow_tf32 = False  # its 10 bits would be other numbers than the CPU's
        self._network = network.eval().to(self._device)
        self._torch = torch

    def describe(self, patches: Patches) -> FloatVectors:
        """(N, 128) unit norm, of (N, 32, 32) patches, 0 to 255."""
        vectors = np.empty((len(patches), DIM), np.float32)
        for start in range(0, len(patches), CHUNK):
            part = patches[start : start + CHUNK]
            chunk = np.zeros((CHUNK, 1, PATCH_SIDE, PATCH_SIDE), np.float32)  # always full: sums depend on the shape
            chunk[: len(part), 0] = part
            vectors[start : start + CHUNK] = self._run(chunk)[: len(part)]
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(norms, 1e-12), np.float32)

    def describe_mirrored(self, patches: Patches, vectors: FloatVectors) -> FloatVectors:
        """Of the patches with their rows reversed: the direction of a keypoint, x, stays."""
        return self.describe(patches[:, ::-1])

    def _run(self, chunk: Patches) -> FloatVectors:
        with self._torch.inference_mode():
            answer = self._network(self._torch.from_numpy(chunk).to(self._device))
        return np.asarray(answer.cpu().numpy(), np.float32)


def load_network(name: str) -> NetworkDescriptor:
    """``hardnet8``, ``hardnet``, or the path of a file with the weights of such a network, or TFeat's. Raises
    `ExtractorUnavailable`, which says what is missing.
    """
    file = published_weights(name) if name in PUBLISHED else weights_file(name)
    tensors = _as_kornia_names(read_tensors(file))
    architecture = _recognized(file.path.name, tensors)
    network = _filled(file.path.name, architecture, tensors)
    descriptor = NetworkDescriptor(network, architecture, _fingerprint(name, file.digest))
    probe = np.linspace(0, 255, 2 * PATCH_SIDE**2, dtype=np.float32).reshape(2, PATCH_SIDE, PATCH_SIDE)
    if not np.isfinite(descriptor.describe(probe)).all():
        raise ExtractorUnavailable(f"the weights in {file.path} give no numbers", "name another file")
    return descriptor


def network_fingerprint(name: str) -> str:
    """Of a network that is not loaded; needs no torch, and not the files of the published ones, whose name says what
    they hold. Raises `Misconfigured` for a path without weights, because nothing can be kept until it is known what
    made it.
    """
    if name in PUBLISHED:
        return _fingerprint(name, "")
    try:
        return _fingerprint(name, weights_file(name).digest)
    except ExtractorUnavailable as failure:
        raise Misconfigured(*failure.args) from failure


def _fingerprint(name: str, digest: str) -> str:
    return f"{name}-{VERSION}" if name in PUBLISHED else f"network-{VERSION}-{digest[:12]}"


def _as_kornia_names(tensors: Tensors) -> Tensors:
    last = tensors.get("classifier.1.weight")
    if last is None or tuple(last.shape) != (DIM, 64, 8, 8):
        return tensors
    renamed = {HARDTFEAT_NAMES.get(name, name): tensor for name, tensor in tensors.items() if name[:5] != "SIFT."}
    renamed["descr.0.weight"] = last.flatten(1)
    return renamed


def _recognized(file: str, tensors: Tensors) -> Architecture:
    for architecture in ARCHITECTURES:
        if architecture.tensor in tensors and tuple(tensors[architecture.tensor].shape) == architecture.shape:
            return architecture
    names = ", ".join(architecture.kornia_class for architecture in ARCHITECTURES)
    raise ExtractorUnavailable(
        f"{file} holds {len(tensors)} tensors, which are not those of {names} with {DIM} numbers",
        "name the weights of one of these networks",
    )


def _filled(file: str, architecture: Architecture, tensors: Tensors) -> Any:
    """kornia's network with these tensors, which must be all of it and nothing else."""
    network = getattr(optional_module("kornia.feature"), architecture.kornia_class)(pretrained=False)
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items() if _is_used(name)}
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items() if _is_used(name)}
    if wanted != given:
        wrong = sorted(name for name in wanted.keys() | given.keys() if wanted.get(name) != given.get(name))
        raise ExtractorUnavailable(
            f"{file} is like {architecture.kornia_class}, but for {', '.join(wrong[:3])}",
            "name the weights of this network as kornia or its authors publish them",
        )
    network.load_state_dict(dict(tensors), strict=False)
    return network


def _is_used(name: str) -> bool:
    return not name.endswith(".num_batches_tracked")  # counts training steps; older files have none

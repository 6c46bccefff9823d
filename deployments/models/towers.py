"""What runs an image model: torch, or a faster runtime of the CPU where that is exact enough."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from deployments.models.image_modules import ImageModule
from deployments.models.loading import Placement, RuntimeConfig, cpu_cores
from deployments.models.preprocessing import NormalisedPixels, Preprocessing
from storage.errors import ExtractorUnavailable

LOGGER = logging.getLogger(__name__)
INTEGER_RUNTIME = "deployments.models.integers.tower"
INTEGER_CACHE = Path("~/.cache/lookalike/int8")  # quantising takes longer than loading


class ImageTower(Protocol):
    """A loaded image model. precision: the numbers it computes with, for the fingerprint."""

    precision: str

    def __call__(self, pixels: NormalisedPixels) -> NDArray[np.float32]:
        """(N, D) of (N, 3, H, W). On a CPU the same picture gives the same row in any batch and thread."""


class TorchTower:
    """A module as torch runs it: on a GPU in batches; on a CPU each picture by itself on one core, several at a time.

    The sums of a matrix product may be ordered otherwise in a batch, or on another number of cores, so that only this
    gives the same vectors always. Nor is it slower where there is more than one picture: ViT-B/16 on two busy cores
    took 0.41 s a picture so, 0.85 s as a batch of eight, 1.37 s one after the other with both cores for each.
    """

    def __init__(self, module: ImageModule, placement: Placement, batch_size: int) -> None:
        self.precision = placement.dtype
        self._module, self._placement, self._batch_size = module, placement, batch_size
        self._cores = ThreadPoolExecutor(cpu_cores(), "tower") if placement.on_cpu else None

    def __call__(self, pixels: NormalisedPixels) -> NDArray[np.float32]:
        step = self._batch_size if self._cores is None else 1
        batches = [pixels[i : i + step] for i in range(0, len(pixels), step)]
        forward = self._cores.map if self._cores is not None and len(batches) > 1 else map
        return np.concatenate(list(forward(self._forward, batches)))

    def _forward(self, pixels: NormalisedPixels) -> NDArray[np.float32]:
        with self._placement.inference():
            rows = self._module(self._placement.tensor(pixels)).float().cpu().numpy()
        return np.asarray(rows, np.float32)


def choose_tower(
    module: ImageModule, placement: Placement, config: RuntimeConfig, preprocessing: Preprocessing, *, digest: str
) -> ImageTower:
    """int8 where it is asked for, or where ``auto`` can have it on a CPU and finds it exact enough; else torch.

    digest: changes with whatever makes the module another function; names what is kept of an int8 one. Raises
    `ExtractorUnavailable` where int8 is asked for and cannot be had.
    """
    if config.precision == "int8" or (config.precision == config.dtype == "auto" and placement.on_cpu):
        try:
            return _integer_tower(module, placement, preprocessing, digest)
        except ExtractorUnavailable as unavailable:
            if config.precision == "int8":
                raise
            LOGGER.info("the model runs in %s: %s", placement.dtype, unavailable)
    return TorchTower(module, placement, config.batch_size)


def _integer_tower(module: ImageModule, placement: Placement, preprocessing: Preprocessing, digest: str) -> ImageTower:
    """Raises `ExtractorUnavailable` where a package is missing or the result is too far from float."""
    if not placement.on_cpu:
        raise ExtractorUnavailable("int8 is computed on a CPU only", "write device: cpu, or precision: float")
    runtime = import_module(INTEGER_RUNTIME)
    samples = preprocessing.pixels(list(runtime.sample_pictures(preprocessing.size)))
    cache, threads = INTEGER_CACHE.expanduser(), cpu_cores()
    return cast(ImageTower, runtime.integer_tower(module, samples, digest=digest, cache=cache, threads=threads))

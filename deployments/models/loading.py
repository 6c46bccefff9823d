"""Loading a model: the settings that say which and where it runs, and from its files to its place there. Quietly, with
safetensors only, no code of the checkpoint's, and no network.

Whatever goes wrong in torch or transformers comes out as one `storage.errors.ExtractorUnavailable`.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from deployments.extractor import ExtractorConfig
from deployments.models.fetching.files import COPY_AGAIN, ModelFiles
from storage.errors import ExtractorUnavailable, LookalikeError

Model = Any  # transformers.PreTrainedModel
Tensor = Any  # torch.Tensor
POOLER = "pooler."
MODEL = "a Hugging Face id that is in the cache of this machine, or the path of a folder"
T = TypeVar("T")


class RuntimeConfig(ExtractorConfig):
    """How a model runs: the settings that every part with a neural model shares."""

    revision: str | None = Field(None, description="branch, tag or commit of a Hugging Face id; left out: main")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="numbers it computes with where it is not quantised; auto: bfloat16 on a GPU, else float32"
    )
    precision: Literal["auto", "float", "int8"] = Field(
        "auto", description="float, int8 (CPU), or auto: the fastest that is exact enough; float where dtype is given"
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N")
    batch_size: int = Field(32, ge=1, le=1024, description="pictures to a forward pass on a GPU; a CPU takes one")


class ModelConfig(RuntimeConfig):
    """Which model, and how it runs."""

    model: str = Field(min_length=1, description=MODEL)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model runs and with which numbers. dtype: float32, bfloat16 or float16."""

    device: str
    dtype: str

    @property
    def on_cpu(self) -> bool:
        return self.device == "cpu"

    @contextmanager
    def inference(self, cores: int = 1) -> Iterator[None]:
        """For each forward pass. cores: of a CPU; one unless said, because torch would share a picture among several,
        and results would depend on their number. It has to be said each time, for threads that have not computed yet
        take whatever was said last in any of them.
        """
        import torch

        if self.on_cpu:
            torch.set_num_threads(cores)
        with torch.inference_mode():
            yield

    def tensor(self, numbers: NDArray[np.float32]) -> Tensor:
        """The numbers on the device, as it computes with them."""
        import torch

        return torch.from_numpy(numbers).to(self.device, getattr(torch, self.dtype))


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """missing: names of the weights of poolers that the checkpoint lacks; every other weight came from it."""

    model: Model
    missing: frozenset[str]


@cache
def cpu_cores() -> int:
    """How many this process may use. Not what torch would take: Ray has it count the replica's ``num_cpus``, which is a
    share that is set aside and no limit.
    """
    return len(os.sched_getaffinity(0))


def placement_of(config: RuntimeConfig) -> Placement:
    """What ``auto`` comes to on this machine. Raises `ExtractorUnavailable` for a GPU that is not there."""
    import torch

    device = config.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device != "cpu" and int(device.partition(":")[2] or 0) >= torch.cuda.device_count():
        message = f"there is no device {device!r}: torch sees {torch.cuda.device_count()} GPUs"
        raise ExtractorUnavailable(message, "set device: auto or cpu, or give the replica a GPU")
    if config.precision == "int8":  # made from float32
        return Placement(device, "float32")
    return Placement(device, config.dtype if config.dtype != "auto" else "float32" if device == "cpu" else "bfloat16")


def load_model(files: ModelFiles, model_class: str, placement: Placement, config: Any = None) -> LoadedModel:
    """The model on its device, for inference.

    model_class: of transformers. config: a transformers config in place of the checkpoint's, of a part of it.
    Raises `ExtractorUnavailable` for files that hold another model, or are damaged.
    """

    def load() -> tuple[Model, dict[str, Any]]:
        import torch
        import transformers

        options = {} if config is None else {"config": config}
        model, info = getattr(transformers, model_class).from_pretrained(
            files.folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=getattr(torch, placement.dtype),
            output_loading_info=True,
            **options,
        )
        return model.eval().requires_grad_(False).to(placement.device), info

    model, info = guarded(files, load)
    missing = frozenset(info["missing_keys"])
    needed = sorted(name for name in missing if POOLER not in name)
    if needed:
        lacking = f"{needed[0]!r} and {len(needed) - 1} more of its weights"
        raise ExtractorUnavailable(
            f"{files.folder} is not a checkpoint of {model_class}: it lacks {lacking}", COPY_AGAIN
        )
    return LoadedModel(model, missing)


def load_config(files: ModelFiles) -> Any:
    """The checkpoint's `transformers` config. Raises `ExtractorUnavailable`."""

    def load() -> Any:
        import transformers

        return transformers.AutoConfig.from_pretrained(files.folder, local_files_only=True, trust_remote_code=False)

    return guarded(files, load)


def load_tokenizer(files: ModelFiles) -> Any:
    """The checkpoint's tokenizer. Raises `ExtractorUnavailable`."""

    def load() -> Any:
        import transformers

        try:
            return transformers.AutoTokenizer.from_pretrained(
                files.folder, local_files_only=True, trust_remote_code=False
            )
        except (ImportError, ValueError):  # its class needs sentencepiece: tokenizer.json holds the same tokens
            if not (files.folder / "tokenizer.json").is_file():
                raise
            return transformers.PreTrainedTokenizerFast.from_pretrained(files.folder, local_files_only=True)

    if not any(files.folder.glob("tokenizer*.json")):
        raise ExtractorUnavailable(f"there is no tokenizer in {files.folder}", COPY_AGAIN)
    return guarded(files, load)


def guarded(files: ModelFiles, load: Callable[[], T]) -> T:
    """What ``load`` returns. Raises `ExtractorUnavailable` in place of anything that libraries raise."""
    try:
        with _quiet():
            return load()
    except LookalikeError:
        raise
    except Exception as error:  # whatever files make of two libraries
        reason = str(error).strip().partition("\n")[0] or "no reason given"
        message = f"the model in {files.folder} does not load: {type(error).__name__}: {reason}"
        raise ExtractorUnavailable(message, COPY_AGAIN) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no advice for the training of models."""
    from transformers.utils import logging as transformers_logging

    level, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()

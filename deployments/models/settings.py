"""How a model is named: the settings that every part with a neural model shares."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from deployments.extractor import ExtractorConfig

Precision = Literal["auto", "float", "int8"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]

MODEL = "a Hugging Face id that is in the cache of this machine, or the path of a folder"


class RuntimeConfig(ExtractorConfig):
    """How a model runs."""

    revision: str | None = Field(None, description="branch, tag or commit of a Hugging Face id; left out: main")
    dtype: Dtype = Field(
        "auto", description="numbers it computes with where it is not quantised; auto: bfloat16 on a GPU, else float32"
    )
    precision: Precision = Field(
        "auto", description="float, int8 (CPU), or auto: the fastest that is exact enough; float where dtype is given"
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N")
    batch_size: int = Field(32, ge=1, le=1024, description="pictures to a forward pass on a GPU; a CPU takes one")

    @property
    def may_quantise(self) -> bool:
        return self.precision == "int8" or (self.precision == "auto" and self.dtype == "auto")


class ModelConfig(RuntimeConfig):
    """Which model, and how it runs."""

    model: str = Field(min_length=1, description=MODEL)

"""A sentence that says what a picture shows: BLIP, Florence-2, GIT, or a vision encoder with a text decoder.

Source: Li et al. 2022 (BLIP), Xiao et al. 2024 (Florence-2), Wang et al. 2022 (GIT). Beam search without sampling, so
that the same picture has the same caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from deployments.extractor import Pixels
from deployments.models.captioning import Captioner
from deployments.models.fetching.families import CAPTIONERS
from deployments.models.fetching.files import files_mark, find_model
from deployments.models.image_encoder import blank_form, fingerprint, read_preprocessing
from deployments.models.loading import ModelConfig, guarded, placement_of

METHOD_VERSION = "1"


class Config(ModelConfig):
    precision: Literal["auto", "float"] = Field("auto", description="captions are computed in float only")
    max_tokens: int = Field(40, ge=1, le=512, description="most tokens that a caption has")
    beams: int = Field(1, ge=1, le=8, description="sentences followed at a time; 1 is quickest")
    prompt: str | None = Field(
        None, min_length=1, description="how a caption begins (BLIP, GIT), or a task such as <DETAILED_CAPTION>"
    )
    store: bool = Field(False, description="kept with each picture as it is indexed; else computed when asked for")


class Caption:
    def __init__(self, config: Config) -> None:
        """Raises `ExtractorUnavailable` where the model is missing, damaged, or another part's."""
        files = find_model(config.model, config.revision, CAPTIONERS, "caption")
        placement = placement_of(config)
        self._preprocessing = read_preprocessing(files)
        self._captioner = Captioner(
            files, placement, prompt=config.prompt, max_tokens=config.max_tokens, beams=config.beams
        )
        self._step = 1 if placement.on_cpu else config.batch_size
        method = (config.prompt, config.max_tokens, config.beams)
        self.fingerprint = fingerprint(
            f"caption-{METHOD_VERSION}", files, self._preprocessing, placement.dtype, *method
        )
        self.image_input = self._preprocessing.form
        guarded(files, lambda: self.annotate([blank_form(self._preprocessing)]))

    @staticmethod
    def weights_mark(config: Config) -> str:
        return files_mark(find_model(config.model, config.revision, CAPTIONERS, "caption"))

    def annotate(self, images: Sequence[Pixels]) -> list[str]:
        """One caption a picture."""
        batches = (images[i : i + self._step] for i in range(0, len(images), self._step))
        return [caption for batch in batches for caption in self._captioner(self._preprocessing.pixels(batch))]

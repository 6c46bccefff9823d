"""Tags of a picture: classes of a model that was trained on them, or any labels by the `image_text` vectors.

With ``model`` the classes of a classifier (ImageNet's 1000, say), whose scores add up to one, or stand each for itself
where the checkpoint is a multi-label one. With ``labels`` no model is loaded here: `deployments.annotators.zero_shot`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from pydantic import Field, model_validator

from deployments.annotators.label_files import labels_path, read_labels
from deployments.annotators.zero_shot import best_tags, sigmoid, softmax
from deployments.extractor import Pixels
from deployments.models.fetching.families import BACKBONES
from deployments.models.fetching.files import ModelFiles, files_mark, find_model
from deployments.models.image_encoder import fingerprint, image_encoder, read_preprocessing
from deployments.models.image_modules import load_classifier
from deployments.models.loading import MODEL, RuntimeConfig, placement_of
from storage.errors import Misconfigured

METHOD_VERSION = "1"


class Config(RuntimeConfig):
    model: str | None = Field(None, min_length=1, description=f"a classifier: {MODEL}")
    labels: str | None = Field(
        None, min_length=1, description="in place of a model: default, or a file with one label a line"
    )
    prompt: str = Field(
        "a photo of a {}.", pattern=r"^[^{}]*\{\}[^{}]*$", description="what a label is put into, in place of {}"
    )
    threshold: float = Field(0.1, ge=0, le=1, description="least score of a tag")
    top_k: int = Field(5, ge=1, le=100, description="most tags of a picture")
    store: bool = Field(False, description="kept with each picture as it is indexed; else computed when asked for")

    @model_validator(mode="after")
    def _one_source(self) -> Config:
        if (self.model is None) == (self.labels is None):
            raise ValueError("give exactly one of model and labels")
        return self


class Tags:
    def __init__(self, config: Config) -> None:
        """Raises `ExtractorUnavailable` where the model is missing, damaged, or no classifier."""
        files = _files(config)
        placement = placement_of(config)
        preprocessing = read_preprocessing(files)
        module, settings = load_classifier(files, placement)
        self.config = config
        self._encoder = image_encoder(files, preprocessing, module, placement, config, "classes")
        self._labels = [str(settings.id2label.get(i, i)) for i in range(self._encoder.dim)]
        self._scores = sigmoid if settings.problem_type == "multi_label_classification" else softmax
        details = (self._labels, str(settings.problem_type), config.threshold, config.top_k)
        self.image_input = preprocessing.form
        precision = self._encoder.tower.precision
        self.fingerprint = fingerprint(f"tags-{METHOD_VERSION}", files, preprocessing, precision, *details)

    @staticmethod
    def weights_mark(config: Config) -> str:
        if config.labels is None:
            return files_mark(_files(config))
        text = "\n".join(read_labels(config.labels))
        return hashlib.sha256(f"{labels_path(config.labels)}\n{text}".encode()).hexdigest()

    def annotate(self, images: Sequence[Pixels]) -> list[list[dict[str, Any]]]:
        """Of each picture at most ``top_k`` of {"label", "score"}, best first, none below ``threshold``."""
        scores = self._scores(self._encoder.outputs(images)) if images else ()
        threshold, top_k = self.config.threshold, self.config.top_k
        return [best_tags(self._labels, row, threshold=threshold, top_k=top_k) for row in scores]


def _files(config: Config) -> ModelFiles:
    if config.model is None:
        raise Misconfigured("tags by labels have no model of their own", "they need the extractor image_text")
    return find_model(config.model, config.revision, BACKBONES, "tags")

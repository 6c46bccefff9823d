"""Pictures to unit vectors by a checkpoint's image tower, and the fingerprint of what comes out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.extractor import Pixels
from deployments.models.fetching.files import ModelFiles
from deployments.models.image_modules import ImageModule
from deployments.models.loading import Placement, RuntimeConfig, guarded
from deployments.models.preprocessing import Preprocessing, preprocessing_of
from deployments.models.towers import ImageTower, choose_tower
from deployments.pictures.images import DECODE_VERSION
from storage.index.unit_vectors import unit_rows
from storage.types.features import FeatureRows, FeatureSpec, Vectors

NO_PART_OF_THE_FUNCTION = frozenset(  # keys of a config.json that say nothing of what the model computes
    {"_name_or_path", "architectures", "dtype", "id2label", "label2id", "torch_dtype", "transformers_version"}
)


@dataclass(frozen=True, slots=True)
class ImageEncoder:
    """dim: numbers that the tower gives for a picture."""

    preprocessing: Preprocessing
    tower: ImageTower
    dim: int

    def outputs(self, images: Sequence[Pixels]) -> NDArray[np.float32]:
        """(N, D) as the tower gives them."""
        if not images:
            return np.empty((0, self.dim), np.float32)
        return self.tower(self.preprocessing.pixels(images))


class VectorExtractor:
    """What every extractor of one vector a picture does alike. Subclasses load their model and give the encoder, the
    feature's spec, and what the model is called.
    """

    def __init__(self, encoder: ImageEncoder, spec: FeatureSpec, model: str) -> None:
        self._encoder = encoder
        self.image_input = encoder.preprocessing.form
        self.spec = spec
        self.model = model

    def extract(self, images: Sequence[Pixels]) -> list[FeatureRows]:
        """rows: (1, D) unit norm."""
        rows = unit_rows(self._encoder.outputs(images))
        return [FeatureRows(rows[i : i + 1]) for i in range(len(rows))]

    def distance(self, a: Vectors, b: Vectors) -> float:
        """Cosine distance, 0 to 2."""
        return float(1.0 - np.dot(a.astype(np.float64), b.astype(np.float64)))


def read_preprocessing(files: ModelFiles) -> Preprocessing:
    """How the checkpoint wants its pictures. Raises `ExtractorUnavailable`."""
    return preprocessing_of(files.image_processor(), files.config, files.family.processor)


def image_encoder(
    files: ModelFiles,
    preprocessing: Preprocessing,
    module: ImageModule,
    placement: Placement,
    config: RuntimeConfig,
    part: str,
) -> ImageEncoder:
    """With the tower run once, so that the first picture does not wait for it to warm up.

    part: which part of the model the module is, and whatever else makes it the function of pixels that it is. Raises
    `ExtractorUnavailable` where it cannot run, as on pictures of a size that it does not take.
    """
    digest = _digest(files.weights_digest(), _function_part(files.config), part)
    tower = choose_tower(module, placement, config, preprocessing, digest=digest)
    blank = preprocessing.pixels([blank_form(preprocessing)])
    return ImageEncoder(preprocessing, tower, guarded(files, lambda: tower(blank)).shape[1])


def blank_form(preprocessing: Preprocessing) -> Pixels:
    """(H, W, 3) gray, as large as the model sees it."""
    width, height = preprocessing.size
    return np.full((height, width, 3), 127, np.uint8)


def fingerprint(name: str, files: ModelFiles, preprocessing: Preprocessing, precision: str, *details: object) -> str:
    """name: the feature's and its method's version, "global-1". precision: the numbers that are computed with.

    details: whatever else changes what comes out, as JSON can hold it.
    Of the weights' bytes and the settings, so the same in whatever folder they lie.
    """
    rest = _digest(_function_part(files.config), asdict(preprocessing), list(details))
    return f"{name}/{files.weights_digest()[:16]}/{rest[:8]}/{precision}/decode-{DECODE_VERSION}"


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _function_part(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _function_part(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if key not in NO_PART_OF_THE_FUNCTION
    }

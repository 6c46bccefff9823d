"""What every extractor of one vector a picture does alike, whatever its model is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deployments.extractor import ImageInput, Pixels
from deployments.models.image_encoder import ImageEncoder
from storage.types.features import FeatureRows, FeatureSpec, Vectors


class VectorExtractor:
    """Subclasses load their model and give the encoder, the feature's spec, and what the model is called."""

    def __init__(self, encoder: ImageEncoder, spec: FeatureSpec, model: str) -> None:
        self._encoder = encoder
        self._spec = spec
        self.model = model

    @property
    def image_input(self) -> ImageInput:
        return self._encoder.preprocessing.form

    @property
    def spec(self) -> FeatureSpec:
        return self._spec

    def extract(self, images: Sequence[Pixels]) -> list[FeatureRows]:
        """rows: (1, D) unit norm."""
        rows = self._encoder.unit_rows(images)
        return [FeatureRows(rows[i : i + 1]) for i in range(len(rows))]

    def distance(self, a: Vectors, b: Vectors) -> float:
        """Cosine distance, 0 to 2."""
        return float(1.0 - np.dot(a.astype(np.float64), b.astype(np.float64)))

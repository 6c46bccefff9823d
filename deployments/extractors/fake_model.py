"""An extractor for tests of models that come late or change: its weights are a small file, read when it is built.

A row is the 8 x 8 gray thumbnail under a random projection that the file's bytes choose, so that another file is
another model. Without the file it is unavailable.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from deployments.extractor import TOKENS_CUT, ExtractorConfig, ImageInput, Pixels
from storage.errors import ExtractorUnavailable
from storage.types.features import FeatureRows, FeatureSpec, FloatVectors, Vectors

SIDE = 8
MOST_WORDS = 8


class Config(ExtractorConfig):
    weights: str = Field(description="path of the file that stands for a model's weights")
    dim: int = Field(16, ge=1, le=1024, description="floats a row")
    delay_s: float = Field(0.0, ge=0, description="how long each call takes")


class FakeModel:
    def __init__(self, config: Config) -> None:
        """Raises `ExtractorUnavailable` where there is no such file."""
        digest = self.weights_mark(config)
        self._config = config
        self._projection = np.random.default_rng(int(digest[:8], 16)).standard_normal((config.dim, SIDE * SIDE))
        self.image_input = ImageInput("gray", (SIDE, SIDE))
        self.spec = FeatureSpec("fake_model", "dense", config.dim, "cosine", f"fake_model-1/{digest[:16]}")
        self.model = config.weights

    @staticmethod
    def weights_mark(config: Config) -> str:
        try:
            return hashlib.sha256(Path(config.weights).read_bytes()).hexdigest()
        except OSError as error:
            raise ExtractorUnavailable(f"no weights at {config.weights}", "write the file") from error

    def extract(self, images: Sequence[Pixels]) -> list[FeatureRows]:
        """rows: (1, dim) unit norm, of (8, 8) gray pictures."""
        time.sleep(self._config.delay_s)
        return [FeatureRows(self._projected(image)) for image in images]

    def embed_texts(self, texts: Sequence[str]) -> list[FeatureRows]:
        """rows: (1, dim) unit norm. It takes 8 words and leaves the others out."""
        time.sleep(self._config.delay_s)
        return [self._embedded(text) for text in texts]

    def distance(self, a: Vectors, b: Vectors) -> float:
        """Cosine distance, 0 to 2."""
        return float(1.0 - np.dot(a.astype(np.float64), b.astype(np.float64)))

    def _embedded(self, text: str) -> FeatureRows:
        words = text.split()
        digest = hashlib.blake2b(" ".join(words[:MOST_WORDS]).encode(), digest_size=SIDE * SIDE).digest()
        cut = len(words) - MOST_WORDS
        extras = {TOKENS_CUT: np.array([cut], np.int64)} if cut > 0 else {}
        return FeatureRows(self._projected(np.frombuffer(digest, np.uint8)), extras=extras)

    def _projected(self, values: NDArray[np.uint8]) -> FloatVectors:
        """One product a row: a matrix product may round otherwise in a batch."""
        point = (self._projection * (values.reshape(-1).astype(np.float64) - 127.5)).sum(axis=1)
        return np.asarray(point[None] / np.linalg.norm(point), np.float32)

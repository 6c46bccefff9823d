"""An extractor for tests of everything around extractors: small, deterministic, and slow or broken on request.

A picture's row is its 8 x 8 gray thumbnail under a fixed random projection, unit norm, so that like pictures lie near
each other. A sentence lies where the hash of its words puts it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from deployments.extractor import ExtractorConfig, ImageInput, Pixels
from deployments.pictures.images import DECODE_VERSION
from storage.errors import ExtractorUnavailable
from storage.types.features import FeatureRows, FeatureSpec, FloatVectors, Vectors

SIDE = 8


class Config(ExtractorConfig):
    dim: int = Field(16, ge=1, le=1024, description="floats a row")
    load_delay_s: float = Field(0.0, ge=0, description="how long loading takes")
    delay_s: float = Field(0.0, ge=0, description="how long each call takes")
    fails: Literal["never", "load", "extract"] = Field("never", description="where it raises an error")


class Fake:
    image_input = ImageInput("gray", (SIDE, SIDE))

    def __init__(self, config: Config | None = None) -> None:
        """Raises `ExtractorUnavailable` when told to fail on load."""
        self.config = config or Config.model_validate({})
        self.spec = self.spec_for(self.config)
        time.sleep(self.config.load_delay_s)
        if self.config.fails == "load":
            raise ExtractorUnavailable("the fake extractor was told not to load", "set fails: never")

    @classmethod
    def spec_for(cls, config: Config) -> FeatureSpec:
        fingerprint = f"fake-1/dim-{config.dim}/decode-{DECODE_VERSION}"
        return FeatureSpec("fake", "dense", config.dim, "cosine", fingerprint)

    def extract(self, images: Sequence[Pixels]) -> list[FeatureRows]:
        """rows: (1, dim) unit norm, of (8, 8) gray pictures."""
        self._work()
        return [FeatureRows(_projected(image.reshape(1, -1), self.config.dim)) for image in images]

    def embed_texts(self, texts: Sequence[str]) -> list[FeatureRows]:
        """rows: (1, dim) unit norm."""
        self._work()
        pictures = [hashlib.blake2b(text.encode(), digest_size=SIDE * SIDE).digest() for text in texts]
        return [FeatureRows(_projected(np.array([list(picture)]), self.config.dim)) for picture in pictures]

    def distance(self, a: Vectors, b: Vectors) -> float:
        """Cosine distance, 0 to 2."""
        return float(1.0 - np.dot(a.astype(np.float64), b.astype(np.float64)))

    def _work(self) -> None:
        time.sleep(self.config.delay_s)
        if self.config.fails == "extract":
            raise RuntimeError("the fake extractor was told to fail")


def _projected(values: NDArray[np.generic], dim: int) -> FloatVectors:
    """One product a row: a matrix product may round otherwise in a batch."""
    centered = values.astype(np.float64) - 127.5  # never a zero vector
    points = (
        np.stack([(_projection(dim) * row).sum(axis=1) for row in centered]) if len(centered) else np.empty((0, dim))
    )
    norms = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / norms, np.float32)


@lru_cache(maxsize=16)
def _projection(dim: int) -> NDArray[np.float64]:
    return np.random.default_rng(0).standard_normal((dim, SIDE * SIDE))

"""Joint colour histogram: how much of a picture has each of 512 colours. Finds pictures with the same palette.

Method: every pixel of the working image in an 8 x 8 x 8 cube of red, green and blue, flattened with red slowest,
divided by the number of pixels, compared by L1 (0 for the same colours, 2 for none in common).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deployments.extractor import ExtractorConfig, ImageInput, Pixels
from deployments.pictures.images import DECODE_VERSION
from deployments.pictures.pixel_kernels import COLOR_BINS, color_counts, warm_up
from storage.types.features import FeatureRows, FeatureSpec, Vectors

METHOD_VERSION = "1"


class Config(ExtractorConfig):
    """color has no settings: what it computes is fixed, so that histograms of all installations compare."""


class Color:
    image_input = ImageInput("rgb")

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self.spec = self.spec_for(self.config)
        warm_up()  # so that the first picture does not wait for it

    @classmethod
    def spec_for(cls, config: Config) -> FeatureSpec:
        return FeatureSpec("color", "dense", COLOR_BINS, "l1", f"color-{METHOD_VERSION}/decode-{DECODE_VERSION}")

    def extract(self, images: Sequence[Pixels]) -> list[FeatureRows]:
        """rows: (1, 512), sums to 1, of (H, W, 3) RGB pictures."""
        counts = [color_counts(image) for image in images]
        return [FeatureRows((of_image / of_image.sum()).astype(np.float32)[None]) for of_image in counts]

    def distance(self, a: Vectors, b: Vectors) -> float:
        """Sum of absolute differences, 0 to 2."""
        return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).sum())

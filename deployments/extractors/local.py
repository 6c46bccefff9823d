"""Local features: keypoints all over a picture. Finds what a crop came from, collages, rotated or overlaid copies.

Extrema of the difference of Gaussians (`deployments.keypoints`), those kept that are strong and spread over the
picture and its sizes, each described by RootSIFT or a network in 4-bit numbers. A stored picture keeps 200, a query
has more: a crop of it may need any of the 200. The geometric check is `storage.keypoints.alignment`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from deployments.extractor import ExtractorConfig, ImageInput, Pixels
from deployments.keypoints.descriptors import ROOTSIFT, descriptor_fingerprint, load_descriptor
from deployments.keypoints.detector import Keypoints, detect
from deployments.keypoints.patches import SECOND_PEAK, cut_patches, find_directions
from deployments.keypoints.rootsift import mirror_order
from deployments.keypoints.scale_space import Octave, build_scale_space
from deployments.keypoints.spread import spread_order
from deployments.pictures.images import DECODE_VERSION
from storage.index.descriptor_codes import packed, quantized, unpacked
from storage.keypoints.keypoint_rows import keypoint_feature
from storage.keypoints.search import LocalParams
from storage.types.features import FeatureRows, FeatureSpec, Vectors

METHOD_VERSION = "1"
DIM = 128  # of every descriptor there is a name for
VIEWS = ("as_given", "mirrored")


class Config(ExtractorConfig):
    descriptor: str = Field(
        ROOTSIFT, description="rootsift, hardnet8, hardnet, or the path of a file with a network's weights"
    )
    keypoints: int = Field(200, ge=20, le=2000, description="most keypoints kept of a stored picture")
    query_keypoints: int = Field(500, ge=20, le=5000, description="most keypoints taken of a query")


class Local:
    image_input = ImageInput("gray")

    def __init__(self, config: Config | None = None) -> None:
        """Raises `ExtractorUnavailable` where a network's weights or the package that runs it are missing."""
        self.config = config or Config.model_validate({})
        self.model = self.config.descriptor
        self._descriptor = load_descriptor(self.model)
        self.spec = _spec(self._descriptor.fingerprint, self.config)  # of the file that was loaded
        noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
        self.extract([noise])  # so that the first picture does not wait for the compiler

    @classmethod
    def spec_for(cls, config: Config) -> FeatureSpec:
        return _spec(descriptor_fingerprint(config.descriptor), config)

    def extract(self, images: Sequence[Pixels]) -> list[FeatureRows]:
        """At most ``keypoints`` rows (R, 64) of (H, W) gray pictures; none of a picture without texture."""
        return [self._keypoints(image, self.config.keypoints, as_query=False) for image in images]

    def query_views(self, images: Sequence[Pixels], params: Mapping[str, Any]) -> list[FeatureRows]:
        """At most ``query_keypoints`` rows, more where a keypoint has two directions, with those of the mirror image.
        Raises `InvalidField`.
        """
        LocalParams.of(params)
        return [self._keypoints(image, self.config.query_keypoints, as_query=True) for image in images]

    @staticmethod
    def select_views(stored: FeatureRows, params: Mapping[str, Any], config: ExtractorConfig) -> FeatureRows:
        """The stored keypoints. Of a network's, the mirror image is not known without the picture."""
        LocalParams.of(params)
        if getattr(config, "descriptor", ROOTSIFT) != ROOTSIFT:
            return stored
        levels = unpacked(stored.rows).astype(np.uint8)
        return replace(stored, extras={**stored.extras, "mirrored": packed(levels[:, mirror_order()])})

    @staticmethod
    def view_name(view: int, params: Mapping[str, Any]) -> str:
        return VIEWS[view]

    def distance(self, a: Vectors, b: Vectors) -> float:
        """Squared distance of two descriptors, in levels."""
        difference = np.subtract(unpacked(a[None]), unpacked(b[None]))
        return float(np.square(difference).sum())

    def _keypoints(self, image: Pixels, count: int, *, as_query: bool) -> FeatureRows:
        size = (image.shape[1], image.shape[0])
        octaves = build_scale_space(image)
        found = detect(octaves)
        found = found.taken(spread_order(found, size)[:count])
        directions, seconds = find_directions(octaves, found)
        angles = directions[:, 0].copy()
        if as_query:  # a stored keypoint has one direction: the query brings whichever it may be
            twice = np.flatnonzero(seconds > SECOND_PEAK)
            found = found.taken(np.concatenate([np.arange(len(found)), twice]))
            angles = np.concatenate([angles, directions[twice, 1]])
        return self._described(octaves, found, angles, size, with_mirrored=as_query)

    def _described(
        self,
        octaves: Sequence[Octave],
        keypoints: Keypoints,
        angles: NDArray[np.float32],
        size: tuple[int, int],
        *,
        with_mirrored: bool,
    ) -> FeatureRows:
        descriptor = self._descriptor
        patches = cut_patches(octaves, keypoints, angles, descriptor.patch_side, descriptor.spacing)
        vectors = descriptor.describe(patches)
        feature = keypoint_feature(
            packed(quantized(vectors, descriptor.step, descriptor.lowest)),
            keypoints.points.astype(np.float64) + 0.5,  # frames begin at the edge of their first pixel
            keypoints.sigmas.astype(np.float64),
            angles.astype(np.float64),
            size,
        )
        if not with_mirrored:
            return feature
        mirrored = descriptor.describe_mirrored(patches, vectors)
        codes = packed(quantized(mirrored, descriptor.step, descriptor.lowest))
        return replace(feature, extras={**feature.extras, "mirrored": codes})


def _spec(descriptor: str, config: Config) -> FeatureSpec:
    fingerprint = f"local-{METHOD_VERSION}/{descriptor}/{config.keypoints}/decode-{DECODE_VERSION}"
    return FeatureSpec("local", "local", DIM, "inliers", fingerprint)

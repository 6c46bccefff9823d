"""Perceptual hash: 576 bits of low frequencies. Finds the same picture, recompressed, resized or lightly edited.

Method: gray, 96 x 96, two-dimensional DCT-II, the 24 x 24 lowest frequencies, bit = coefficient above the median of
the 576, row-major, most significant bit first, 72 bytes. Only those frequencies are computed: two products with a 24
x 96 matrix.

The DCT of a mirrored picture is that of the picture with its odd columns negated, and of a transposed one its
transpose. So the hashes of all eight rotations and flips come from one DCT. They are the *views* of a picture, in
this order: as_given, mirrored (left-right), rotated_90 (clockwise), rotated_180, rotated_270, flipped (upside down),
transposed, transversed. A stored picture keeps all eight for searches by its id; its index row is the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from deployments.extractor import ExtractorConfig, ImageInput, Pixels
from deployments.pictures.images import DECODE_VERSION
from storage.errors import InvalidField
from storage.types.features import BinaryVectors, FeatureRows, FeatureSpec, Vectors

SIDE = 96  # pixels
KEPT = 24  # frequencies of each axis
BITS = KEPT * KEPT
LOWER_MEDIAN = BITS // 2 - 1  # above the mean of the two middle values = above the lower one
METHOD_VERSION = "1"

VIEWS = (
    "as_given", "mirrored", "rotated_90", "rotated_180", "rotated_270", "flipped", "transposed", "transversed",
)  # fmt: skip
INVERSES = 0, 1, 4, 3, 2, 5, 6, 7  # of each view, the one that turns it back
VIEW_COUNT = {"none": 1, "mirrored": 2, "all": 8}  # of `VIEWS`, by the parameter ``orientations``
DEFAULT_ORIENTATIONS = "mirrored"

Number = TypeVar("Number", np.float64, np.int8)


class Config(ExtractorConfig):
    """phash has no settings: what it computes is fixed, so that hashes of all installations compare."""


class Phash:
    image_input = ImageInput("gray", (SIDE, SIDE))
    is_quick = True

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self.spec = self.spec_for(self.config)

    @classmethod
    def spec_for(cls, config: Config) -> FeatureSpec:
        return FeatureSpec("phash", "binary", BITS, "hamming", f"phash-{METHOD_VERSION}/decode-{DECODE_VERSION}")

    def extract(self, images: Sequence[Pixels]) -> list[FeatureRows]:
        """rows: (1, 72), query_rows: (8, 72), of (96, 96) gray pictures."""
        return [FeatureRows(views[:1], views) for views in _hashes(images, len(VIEWS))]

    def query_views(self, images: Sequence[Pixels], params: Mapping[str, Any]) -> list[FeatureRows]:
        """(V, 72) a picture; V is 1, 2 or 8 as ``params["orientations"]`` is none, mirrored (the default) or all."""
        return [FeatureRows(views) for views in _hashes(images, _view_count(params))]

    @staticmethod
    def select_views(stored: FeatureRows, params: Mapping[str, Any], config: Config) -> FeatureRows:
        count = _view_count(params)
        return FeatureRows(stored.rows if stored.query_rows is None else stored.query_rows[:count])

    @staticmethod
    def view_name(view: int, params: Mapping[str, Any]) -> str:
        return VIEWS[: _view_count(params)][view]

    def distance(self, a: Vectors, b: Vectors) -> float:
        """Bits that differ, 0 to 576."""
        return float(np.bitwise_count(np.bitwise_xor(a, b)).sum())


def views_of_hashes(hashes: BinaryVectors) -> BinaryVectors:
    """(N, 8, 72): the `VIEWS` of pictures of which there is nothing but their hashes (N, 72).

    The transposed view is exact. The others negate coefficients, which takes a bit to its opposite, unless the
    coefficient lies between the two medians. Of 376 photos, half differ from the true view by 8 bits or fewer, and none
    by more than 36.
    """
    bits = np.unpackbits(hashes, axis=-1).reshape(-1, KEPT, KEPT)
    signs = _views(bits.view(np.int8) * 2 - 1, len(VIEWS))
    return np.packbits(signs.reshape(len(bits), len(VIEWS), BITS) > 0, axis=-1)


def _view_count(params: Mapping[str, Any]) -> int:
    allowed = "allowed: orientations = " + ", ".join(VIEW_COUNT)
    for key in params:
        if key != "orientations":
            raise InvalidField(f"phash has no parameter {key!r}", allowed)
    wanted = params.get("orientations", DEFAULT_ORIENTATIONS)
    if not isinstance(wanted, str) or wanted not in VIEW_COUNT:
        raise InvalidField(f"orientations of phash cannot be {wanted!r}", allowed)
    return VIEW_COUNT[wanted]


def _hashes(images: Sequence[Pixels], views: int) -> BinaryVectors:
    """(N, views, 72) hashes of N (96, 96) gray pictures."""
    if not images:
        return np.empty((0, views, BITS // 8), np.uint8)
    low, high = _basis(), np.stack(images).astype(np.float64)
    # In flat and in symmetric pictures coefficients are zero but for an error that differs between BLAS libraries.
    coefficients = np.round(low @ high @ low.T, 4)
    oriented = _views(coefficients, views).reshape(len(images), views, BITS)
    threshold = np.partition(oriented, LOWER_MEDIAN, axis=-1)[..., LOWER_MEDIAN, None]
    return np.packbits(oriented > threshold, axis=-1)


def _views(coefficients: NDArray[Number], count: int) -> NDArray[Number]:
    """(N, count, 24, 24): the DCT of the first ``count`` views, from (N, 24, 24)."""
    columns = _signs().astype(coefficients.dtype)  # negates odd columns: left-right; as a column, odd rows: upside down
    rows = columns[:, None]
    plain, turned = coefficients, coefficients.transpose(0, 2, 1)
    made = [plain, plain * columns]
    if count > len(made):
        made += [turned * columns, plain * columns * rows, turned * rows, plain * rows, turned, turned * columns * rows]
    return np.stack(made[:count], axis=1)


@cache
def _basis() -> NDArray[np.float64]:
    """(24, 96) rows of the unnormalised DCT-II."""
    frequency, position = np.arange(KEPT)[:, None], np.arange(SIDE)
    return np.cos(np.pi * frequency * (2 * position + 1) / (2 * SIDE))


@cache
def _signs() -> NDArray[np.float64]:
    return np.where(np.arange(KEPT) % 2 == 0, 1.0, -1.0)

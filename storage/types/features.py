"""What a feature is, its rows, and the shapes of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FloatVectors = NDArray[np.float32]  # (N, D)
BinaryVectors = NDArray[np.uint8]  # (N, D / 8), most significant bit first


Vectors = FloatVectors | BinaryVectors
Handles = NDArray[np.int64]  # (N,) a shard's own number of a stored picture; never reused


FeatureKind = Literal["binary", "dense", "local", "words"]
Metric = Literal["hamming", "l1", "cosine", "inliers", "words"]


FeatureState = Literal["ok", "pending", "absent"]


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """What a feature is: enough to build its index and to refuse one that another model wrote.

    dim: bits for a binary feature, bytes of a word (see `storage.words.word_rows`), numbers otherwise; those of a local
    feature are kept in 4 bits each.
    fingerprint: changes whenever the same picture would give other vectors (method, version, decode path, weights).
    """

    name: str
    kind: FeatureKind
    dim: int
    metric: Metric
    fingerprint: str


@dataclass(frozen=True, slots=True, eq=False)
class FeatureRows:
    """One picture's feature.

    rows: (R, D) what the index holds for the picture; one row for a global descriptor, many for keypoints.
    query_rows: (V, D) what a search by stored id asks with, where that differs from ``rows`` (for a hash: its views).
    extras: arrays kept beside the rows, such as keypoint positions.
    fingerprint: of the `FeatureSpec` they were computed by; empty where that can only be the one in use.
    """

    rows: Vectors
    query_rows: Vectors | None = None
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    fingerprint: str = ""

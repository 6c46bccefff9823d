"""Which index a feature gets, and the only place that chooses it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from storage.errors import Misconfigured
from storage.index.flat import empty_flat_index
from storage.index.inverted_file import PROBES, empty_descriptor_index
from storage.index.inverted_lists import warm_up
from storage.index.vector_index import VectorIndex
from storage.index.whitening import WhitenedIndex, Whitening
from storage.types.features import FeatureSpec
from storage.words.word_index import empty_word_index

KindChoice = Literal["auto", "exact", "inverted_file"]
KINDS: tuple[KindChoice, ...] = ("auto", "exact", "inverted_file")
TRAIN_AFTER_ROWS = 10_000  # where comparing every row begins to take longer than everything else


@dataclass(frozen=True, slots=True)
class IndexConfig:
    """How a feature is indexed.

    kind: "exact" compares every row; "inverted_file" (local features only) those of the nearest lists, once it is
    trained; "auto" goes from one to the other at ``train_after_rows``. probes: lists looked into for each row of a
    query. whitening: whether vectors of a model are whitened once that is trained.
    """

    kind: KindChoice = "auto"
    train_after_rows: int = TRAIN_AFTER_ROWS
    probes: int = PROBES
    whitening: bool = True


def build_index(
    spec: FeatureSpec,
    config: IndexConfig | None = None,
    centroids: NDArray[np.float32] | None = None,
    whitening: Whitening | None = None,
) -> VectorIndex:
    """An empty index for the feature. centroids: (L, D) of a trained one. whitening: likewise.

    Raises `Misconfigured` for a kind or a metric that there is no index for.
    """
    config = config or IndexConfig()
    check_index_config(spec, config)
    if whitening is not None and config.whitening:
        return WhitenedIndex(empty_flat_index(replace(spec, dim=len(whitening.axes))), whitening)
    if spec.kind == "words":
        return empty_word_index()
    if spec.kind != "local":
        return empty_flat_index(spec)
    warm_up()
    return empty_descriptor_index(spec.dim, None if config.kind == "exact" else centroids, config.probes)


def check_index_config(spec: FeatureSpec, config: IndexConfig) -> None:
    """Raises `Misconfigured` for a kind that the feature cannot have."""
    known = KINDS if spec.kind == "local" else KINDS[:2]
    if config.kind not in known:
        raise Misconfigured(f"feature {spec.name!r}: no index kind {config.kind!r}", f"one of {', '.join(known)}")

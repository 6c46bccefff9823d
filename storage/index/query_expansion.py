"""Queries of several rows that are to be one: each row weighted, all added up, in the space of the index.

Alpha query expansion (Radenovic, Tolias, Chum, "Fine-tuning CNN Image Retrieval with No Human Annotation", TPAMI 2019)
searches with the query and its nearest neighbours together. They are added where distances are measured, which for a
whitened index is not where they are stored; so the shard does it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from storage.index.unit_vectors import unit_rows
from storage.index.vector_index import VectorIndex
from storage.index.whitening import WhitenedIndex
from storage.types.features import FloatVectors
from storage.types.searches import FeatureQuery

ROW_WEIGHTS = "row_weights"  # extras of a query: (V,) float32, one a row


def expanded(index: VectorIndex, query: FeatureQuery) -> tuple[VectorIndex, list[FeatureQuery]]:
    """The index that takes rows of its own space, and the query as one row there."""
    weights = np.asarray(query.extras[ROW_WEIGHTS], np.float32)
    rows: FloatVectors = np.asarray(query.rows, np.float32)
    plain = index
    if isinstance(index, WhitenedIndex):
        plain, rows = index.inner, index.whitening.applied(rows)
    return plain, [replace(query, rows=unit_rows(np.asarray(weights[None] @ rows, np.float32)), extras={})]

"""Scores of labels, and the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIGITS = 4


def best_tags(
    labels: Sequence[str], scores: NDArray[np.floating[Any]], *, threshold: float, top_k: int
) -> list[dict[str, Any]]:
    """{"label", "score"} of the highest of (L,) scores, best first, equal ones in the order of the labels."""
    best = np.argsort(-scores, kind="stable")[:top_k]
    return [{"label": labels[i], "score": round(float(scores[i]), DIGITS)} for i in best if scores[i] >= threshold]


def softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """(..., L) that add up to one over the last axis."""
    wide = np.asarray(logits, np.float64)
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def sigmoid(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Each by itself. By tanh, which does not overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(logits, np.float64))))

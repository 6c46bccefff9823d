"""Tags by words that no classifier was trained on: those whose texts lie nearest to a picture's `image_text` vector.

Source: Radford et al. 2021, section 3.1 (prompt templates, the mean of a label's prompts, softmax over the labels);
Zhai et al. 2023 (a sigmoid for each label by itself). Needs no model: the texts are embedded once by whoever has one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.extractor import LOGITS
from storage.errors import ExtractorUnavailable
from storage.types.features import FeatureRows, FloatVectors, Vectors

TEMPLATES = ("a photo of a {}.",)
TEXTS_A_CALL = 64
DIGITS = 4  # of a score

EmbedTexts = Callable[[Sequence[str]], Sequence[FeatureRows]]


class ZeroShotTagger:
    """labels: (L,) texts; matrix: (L, D) their vectors, unit norm."""

    def __init__(self, labels: Sequence[str], matrix: FloatVectors, *, threshold: float = 0.1, top_k: int = 5) -> None:
        self._labels, self._matrix = tuple(labels), matrix.astype(np.float64)
        self._threshold, self._top_k = threshold, top_k

    def tags_of(self, row: Vectors, logits: NDArray[np.float64]) -> list[dict[str, Any]]:
        """At most ``top_k`` of {"label", "score"}, best first, none below ``threshold``.

        row: (D,) or (1, D), a picture's vector, unit norm. logits: (2,) the model's scale and bias as `EmbedsText`
        gives them. With a bias each label's score is the chance that it fits; without one, where the bias is NaN, the
        scores of all labels add up to one.
        """
        scale, bias = (float(value) for value in logits)
        cosines = self._matrix @ row.reshape(-1).astype(np.float64)
        scores = softmax(scale * cosines) if isnan(bias) else sigmoid(scale * cosines + bias)
        return best_tags(self._labels, scores, threshold=self._threshold, top_k=self._top_k)


def label_prompts(labels: Sequence[str], templates: Sequence[str] = TEMPLATES) -> list[str]:
    """Every label in every template, a label's together."""
    return [template.replace("{}", label) for label in labels for template in templates]


def label_matrix(rows: FloatVectors, templates: Sequence[str] = TEMPLATES) -> FloatVectors:
    """(L, D) unit norm of the (L * T, D) rows of `label_prompts`: the mean over a label's templates."""
    means = rows.reshape(-1, len(templates), rows.shape[1]).astype(np.float64).mean(axis=1)
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(means / np.where(norms > 0, norms, 1.0), np.float32)


def embed_labels(
    labels: Sequence[str], embed_texts: EmbedTexts, templates: Sequence[str] = TEMPLATES
) -> tuple[FloatVectors, NDArray[np.float64]]:
    """(L, D) `label_matrix`, computed in batches, and the model's (2,) logits. Raises `ExtractorUnavailable` where the
    model was not trained to score texts.
    """
    prompts = label_prompts(labels, templates)
    features = [
        found for i in range(0, len(prompts), TEXTS_A_CALL) for found in embed_texts(prompts[i : i + TEXTS_A_CALL])
    ]
    if LOGITS not in features[0].extras:
        raise ExtractorUnavailable("the text model gives no scale for its scores", "choose a CLIP or SigLIP model")
    rows = np.concatenate([found.rows for found in features]).astype(np.float32)
    return label_matrix(rows, templates), np.asarray(features[0].extras[LOGITS], np.float64)


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

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from deployments.annotators.zero_shot import ZeroShotTagger, embed_labels, label_matrix, label_prompts
from deployments.extractor import LOGITS
from storage.errors import ExtractorUnavailable
from storage.types.features import FeatureRows

LABELS = ("cat", "dog", "car")
MATRIX = np.eye(3, dtype=np.float32)
PICTURE = np.array([0.8, 0.6, 0.0], np.float32)


class Texts:
    """Embeds a text as its length and number of words; remembers how it was called."""

    def __init__(self, logits: tuple[float, float] | None = (10.0, float("nan"))) -> None:
        self.calls: list[int] = []
        self.logits = logits

    def __call__(self, texts: Sequence[str]) -> list[FeatureRows]:
        self.calls.append(len(texts))
        extras = {} if self.logits is None else {LOGITS: np.array(self.logits)}
        vectors = [np.array([[len(text), len(text.split())]], np.float32) for text in texts]
        return [FeatureRows(vector / np.linalg.norm(vector), extras=extras) for vector in vectors]


def test_scores_of_a_softmax_model_add_up_to_one() -> None:
    tags = ZeroShotTagger(LABELS, MATRIX, threshold=0).tags_of(PICTURE, np.array([10.0, np.nan]))
    powers = np.exp([8.0, 6.0, 0.0])
    assert [tag["label"] for tag in tags] == ["cat", "dog", "car"]
    np.testing.assert_allclose([tag["score"] for tag in tags], powers / powers.sum(), atol=1e-4)


def test_scores_of_a_sigmoid_model_stand_each_for_itself() -> None:
    tags = ZeroShotTagger(LABELS, MATRIX, threshold=0).tags_of(PICTURE[None], np.array([10.0, -6.0]))
    np.testing.assert_allclose([tag["score"] for tag in tags], 1 / (1 + np.exp([-2.0, 0.0, 6.0])), atol=1e-4)


def test_threshold_and_number_limit_the_tags() -> None:
    logits = np.array([10.0, np.nan])
    assert len(ZeroShotTagger(LABELS, MATRIX, threshold=0, top_k=2).tags_of(PICTURE, logits)) == 2
    assert [tag["label"] for tag in ZeroShotTagger(LABELS, MATRIX).tags_of(PICTURE, logits)] == ["cat", "dog"]
    assert ZeroShotTagger(LABELS, MATRIX, threshold=0.95).tags_of(PICTURE, logits) == []


def test_each_label_goes_through_each_template() -> None:
    assert label_prompts(["cat", "{}"], ["a {}.", "my {}"]) == ["a cat.", "my cat", "a {}.", "my {}"]
    rows = np.array([[1, 0], [0, 1], [1, 0], [1, 0]], np.float32)
    np.testing.assert_allclose(label_matrix(rows, ["a", "b"]), [[0.5**0.5, 0.5**0.5], [1, 0]], atol=1e-6)


def test_labels_are_embedded_in_batches() -> None:
    texts = Texts()
    matrix, logits = embed_labels([f"label {i}" for i in range(100)], texts)
    assert texts.calls == [64, 36]
    assert matrix.shape == (100, 2)
    assert logits[0] == 10.0
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-6)


def test_a_model_that_cannot_score_texts_is_refused() -> None:
    with pytest.raises(ExtractorUnavailable, match="no scale"):
        embed_labels(["cat"], Texts(None))

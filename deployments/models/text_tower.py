"""Sentences to vectors by a dual encoder's text side."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.models.fetching.families import TEXT_PADDED_TO_THE_END
from deployments.models.image_modules import features_of
from deployments.models.loading import Placement

NO_LIMIT = 1 << 20  # a tokenizer that knows no limit gives a larger number


class TextTower:
    """One text at a time, unpadded where the model was trained to look at what is written only, so that a text gives
    the same row in any batch.

    SigLIP was trained on lower-case texts, all padded to its longest, and without a mask over the padding.
    Source: ``SiglipTextModel`` and ``Siglip2Tokenizer`` in transformers.
    """

    def __init__(self, model: Any, tokenizer: Any, placement: Placement) -> None:
        self._model, self._tokenizer, self._placement = model, tokenizer, placement
        self._padded = model.config.model_type in TEXT_PADDED_TO_THE_END
        limit = int(model.config.text_config.max_position_embeddings)
        self.max_tokens = min(limit, tokenizer.model_max_length) if tokenizer.model_max_length < NO_LIMIT else limit
        self._turn = Lock()  # a tokenizer keeps how it cuts and pads in itself

    def __call__(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], list[int]]:
        """(N, D), and how many tokens of each text were cut off."""
        rows, cut = [], []
        for text in texts:
            with self._turn:
                tokens, left_out = self._tokens(text)
            rows.append(self._forward(tokens))
            cut.append(left_out)
        return np.stack(rows), cut

    def logits(self) -> tuple[float, float]:
        """Scale and bias of a cosine, as the model was trained to tell whether text and picture belong together; the
        bias is NaN where it was trained to tell which of many texts does (softmax).
        """
        bias = getattr(self._model, "logit_bias", None)
        return float(self._model.logit_scale.float().exp()), float("nan") if bias is None else float(bias.float())

    def _tokens(self, text: str) -> tuple[dict[str, Any], int]:
        if self._padded:
            text = text.lower()
        full = len(self._tokenizer(text, truncation=False, verbose=False)["input_ids"])
        tokens = self._tokenizer(
            text,
            truncation=True,
            max_length=self.max_tokens,
            padding="max_length" if self._padded else False,
            return_tensors="pt",
        )
        names = ("input_ids",) if self._padded else ("input_ids", "attention_mask")
        return {name: tokens[name].to(self._placement.device) for name in names}, max(full - self.max_tokens, 0)

    def _forward(self, tokens: dict[str, Any]) -> NDArray[np.float32]:
        with self._placement.inference():
            row = features_of(self._model.get_text_features(**tokens))[0].float().cpu().numpy()
        return np.asarray(row, np.float32)

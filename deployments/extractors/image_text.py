"""Pictures and sentences in one space, so that words find pictures: CLIP, SigLIP and SigLIP2.

Source: Radford et al. 2021 (CLIP), Zhai et al. 2023 (SigLIP), Tschannen et al. 2025 (SigLIP2). Both sides are
normalised to unit length and compared by cosine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from deployments.extractor import LOGITS, TOKENS_CUT
from deployments.models.fetching.families import DUAL_ENCODERS
from deployments.models.fetching.files import files_mark, find_model
from deployments.models.image_encoder import VectorExtractor, fingerprint, image_encoder, read_preprocessing
from deployments.models.image_modules import image_features
from deployments.models.loading import ModelConfig, guarded, load_model, load_tokenizer, placement_of
from deployments.models.text_tower import TextTower
from storage.index.unit_vectors import unit_rows
from storage.types.features import FeatureRows, FeatureSpec

METHOD_VERSION = "1"


class Config(ModelConfig):
    prompt: str = Field("{}", pattern=r"^[^{}]*\{\}[^{}]*$", description="what a text is put into, in place of {}")


class ImageText(VectorExtractor):
    def __init__(self, config: Config) -> None:
        """Raises `ExtractorUnavailable` where the model is missing, damaged, or another part's."""
        files = find_model(config.model, config.revision, DUAL_ENCODERS, "image_text")
        placement = placement_of(config)
        preprocessing = read_preprocessing(files)
        tokenizer = load_tokenizer(files)
        model = load_model(files, "AutoModel", placement).model
        module = image_features(model, files.model_type)
        encoder = image_encoder(files, preprocessing, module, placement, config, "image features by pooler")
        self._texts = TextTower(model, tokenizer, placement)
        self._logits = np.array(self._texts.logits(), np.float64)
        mark = fingerprint(f"image_text-{METHOD_VERSION}", files, preprocessing, encoder.tower.precision)
        super().__init__(encoder, FeatureSpec("image_text", "dense", encoder.dim, "cosine", mark), config.model)
        self._prompt = config.prompt
        guarded(files, lambda: self.embed_texts(["warm-up"]))

    @staticmethod
    def weights_mark(config: Config) -> str:
        return files_mark(find_model(config.model, config.revision, DUAL_ENCODERS, "image_text"))

    def embed_texts(self, texts: Sequence[str]) -> list[FeatureRows]:
        """rows: (1, D) unit norm, of each text within the prompt; extras as `deployments.extractor.EmbedsText` says."""
        if not texts:
            return []
        rows, cut = self._texts([self._prompt.replace("{}", text) for text in texts])
        extras = [{TOKENS_CUT: np.array([left_out], np.int64)} if left_out else {} for left_out in cut]
        return [
            FeatureRows(row[None], extras={LOGITS: self._logits, **more})
            for row, more in zip(unit_rows(rows), extras, strict=True)
        ]

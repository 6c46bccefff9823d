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
from deployments.models.image_encoder import fingerprint, image_encoder, module_digest, read_preprocessing
from deployments.models.image_modules import image_features
from deployments.models.loading import guarded, load_model, load_tokenizer, placement_of
from deployments.models.settings import ModelConfig
from deployments.models.text_tower import TextTower
from deployments.models.towers import choose_tower
from deployments.models.vector_extractor import VectorExtractor
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
        tower = choose_tower(
            module, placement, config, preprocessing, digest=module_digest(files, "image features by pooler")
        )
        encoder = image_encoder(files, preprocessing, tower)
        self._texts = TextTower(model, tokenizer, placement)
        self._logits = np.array(self._texts.logits(), np.float64)
        mark = fingerprint(f"image_text-{METHOD_VERSION}", files, preprocessing, tower.precision)
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
        rows = unit_rows(rows)
        return [
            FeatureRows(rows[i : i + 1], extras={LOGITS: self._logits, **_cut_extra(cut[i])}) for i in range(len(rows))
        ]


def _cut_extra(cut: int) -> dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    return {TOKENS_CUT: np.array([cut], np.int64)} if cut else {}

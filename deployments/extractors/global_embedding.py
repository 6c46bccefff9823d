"""What a picture shows, as one vector of a vision model: DINOv2 and v3, BEiT, ViT, Swin, MobileNet, CLIP, SigLIP ...

The pooled output of the backbone at unit norm, compared by cosine. Which model is the operator's choice: those trained
without labels (DINOv2, Oquab et al. 2023) tell instances apart, those trained on classes or captions tell meanings.
"""

from __future__ import annotations

from deployments.models.fetching.families import GLOBAL
from deployments.models.fetching.files import files_mark, find_model
from deployments.models.image_encoder import VectorExtractor, fingerprint, image_encoder, read_preprocessing
from deployments.models.image_modules import load_backbone
from deployments.models.loading import ModelConfig, placement_of
from storage.types.features import FeatureSpec

METHOD_VERSION = "1"


class Config(ModelConfig):
    pass


class Global(VectorExtractor):
    def __init__(self, config: Config) -> None:
        """Raises `ExtractorUnavailable` where the model is missing, damaged, or another part's."""
        files = find_model(config.model, config.revision, GLOBAL, "global")
        placement = placement_of(config)
        preprocessing = read_preprocessing(files)
        module, pooling = load_backbone(files, placement)
        encoder = image_encoder(files, preprocessing, module, placement, config, f"image features by {pooling}")
        mark = fingerprint(f"global-{METHOD_VERSION}", files, preprocessing, encoder.tower.precision, pooling)
        super().__init__(encoder, FeatureSpec("global", "dense", encoder.dim, "cosine", mark), config.model)

    @staticmethod
    def weights_mark(config: Config) -> str:
        return files_mark(find_model(config.model, config.revision, GLOBAL, "global"))

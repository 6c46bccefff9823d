"""Which architectures the parts take, told by the ``model_type`` of a config.json before anything heavy is imported.

The processors are those that ``transformers.models.auto.image_processing_auto`` maps each type to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Pooling = Literal["pooler", "class_token", "patch_mean", "token_mean"]


@dataclass(frozen=True, slots=True)
class Family:
    """processor: the image processor that its checkpoints were trained with.

    without_pooler: what stands in for a pooler that the model has not, or whose weights a checkpoint lacks, as those of
    masked image modelling do. patch_mean leaves out the class token.
    """

    processor: str
    without_pooler: Pooling = "token_mean"


BACKBONES: Mapping[str, Family] = {
    "beit": Family("BeitImageProcessor", "patch_mean"),
    "bit": Family("BitImageProcessor"),
    "convnext": Family("ConvNextImageProcessor"),
    "convnextv2": Family("ConvNextImageProcessor"),
    "data2vec-vision": Family("BeitImageProcessor", "patch_mean"),
    "deit": Family("DeiTImageProcessor", "class_token"),
    "dinov2": Family("Dinov2ImageProcessor", "class_token"),
    "dinov2_with_registers": Family("Dinov2ImageProcessor", "class_token"),
    "dinov3_convnext": Family("DINOv3ViTImageProcessor"),
    "dinov3_vit": Family("DINOv3ViTImageProcessor", "class_token"),
    "focalnet": Family("BitImageProcessor"),
    "ijepa": Family("ViTImageProcessor"),
    "mobilenet_v1": Family("MobileNetV1ImageProcessor"),
    "mobilenet_v2": Family("MobileNetV2ImageProcessor"),
    "regnet": Family("ConvNextImageProcessor"),
    "resnet": Family("ConvNextImageProcessor"),
    "swin": Family("ViTImageProcessor"),
    "swinv2": Family("ViTImageProcessor"),
    "vit": Family("ViTImageProcessor", "class_token"),
    "vit_msn": Family("ViTImageProcessor", "class_token"),
}
DUAL_ENCODERS: Mapping[str, Family] = {
    "clip": Family("CLIPImageProcessor"),
    "metaclip_2": Family("CLIPImageProcessor"),
    "siglip": Family("SiglipImageProcessor"),
    "siglip2": Family("Siglip2ImageProcessor"),
}
VISION_TOWERS: Mapping[str, str] = {  # what of a dual encoder is loaded where no text is asked for
    "clip": "CLIPVisionModelWithProjection",
    "metaclip_2": "MetaClip2VisionModelWithProjection",
    "siglip": "SiglipVisionModel",
    "siglip2": "Siglip2VisionModel",
}
CAPTIONERS: Mapping[str, Family] = {
    "blip": Family("BlipImageProcessor"),
    "florence2": Family("CLIPImageProcessor"),
    "git": Family("CLIPImageProcessor"),
    "vision-encoder-decoder": Family("ViTImageProcessor"),
}
GLOBAL: Mapping[str, Family] = {**BACKBONES, **DUAL_ENCODERS}
PATCH_GRID = frozenset({"siglip2"})  # takes a picture as a list of patches, of any number of rows and columns
TEXT_PADDED_TO_THE_END = frozenset({"siglip", "siglip2"})  # trained with every text padded to the longest

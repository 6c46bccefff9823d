"""What the image processors of transformers do where their settings are silent.

Source: the class attributes in ``transformers/models/*/image_processing_pil_*.py``; a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
OPENAI_CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
BILINEAR, BICUBIC = 2, 3  # Pillow's numbers


@dataclass(frozen=True, slots=True)
class ProcessorDefaults:
    """size, crop: pixels. int_is_square: a bare number stretches the picture to a square, else is its short side.

    crop_share: crop over short side, of processors that cut to ``size`` by themselves.
    """

    size: int
    crop: int | None
    resample: int
    colors: tuple[tuple[float, ...], tuple[float, ...]]
    int_is_square: bool
    crop_share: float | None = None

    @property
    def mean(self) -> tuple[float, ...]:
        return self.colors[0]

    @property
    def std(self) -> tuple[float, ...]:
        return self.colors[1]


_DEFAULTS: Mapping[str, ProcessorDefaults] = {
    "Beit": ProcessorDefaults(224, None, BICUBIC, HALF, int_is_square=True),
    "Bit": ProcessorDefaults(224, 224, BICUBIC, OPENAI_CLIP, int_is_square=False),
    "Blip": ProcessorDefaults(384, None, BICUBIC, OPENAI_CLIP, int_is_square=True),
    "CLIP": ProcessorDefaults(224, 224, BICUBIC, OPENAI_CLIP, int_is_square=False),
    "ConvNext": ProcessorDefaults(384, None, BICUBIC, HALF, int_is_square=False, crop_share=224 / 256),
    "DeiT": ProcessorDefaults(256, 224, BICUBIC, HALF, int_is_square=True),
    "Dinov2": ProcessorDefaults(256, 224, BICUBIC, IMAGENET, int_is_square=False),  # a Bit processor's other colours
    "DINOv3ViT": ProcessorDefaults(224, None, BILINEAR, IMAGENET, int_is_square=True),
    "MobileNetV1": ProcessorDefaults(256, 224, BILINEAR, HALF, int_is_square=False),
    "MobileNetV2": ProcessorDefaults(256, 224, BILINEAR, HALF, int_is_square=False),
    "Siglip": ProcessorDefaults(224, None, BICUBIC, HALF, int_is_square=True),
    "Siglip2": ProcessorDefaults(256, None, BILINEAR, HALF, int_is_square=True),
    "ViT": ProcessorDefaults(224, None, BILINEAR, HALF, int_is_square=True),
}


def defaults_of(processor: str) -> ProcessorDefaults | None:
    """Of a class of any backend or age: ``CLIPImageProcessorFast``, ``CLIPFeatureExtractor``; None: it is not known."""
    for ending in ("ImageProcessor", "FeatureExtractor"):
        family, found, _ = processor.partition(ending)
        if found:
            return _DEFAULTS.get(family)
    return None

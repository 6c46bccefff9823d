"""How a checkpoint wants its pictures: what its image processor's settings mean, done by one backend, ours.

transformers has two backends whose pixels differ a little, and would need the picture in full. Here the router makes
the small form of it with Pillow (`deployments.pictures.prepared`), and only scale, mean and deviation are left to the
model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.extractor import ImageInput, Pixels, Resampling
from deployments.models.fetching.families import PATCH_GRID
from storage.errors import ExtractorUnavailable

FILTERS: Mapping[int, Resampling] = {  # by Pillow's numbers
    0: "nearest",
    1: "lanczos",
    2: "bilinear",
    3: "bicubic",
    4: "box",
    5: "hamming",
}
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
OPENAI_CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
BILINEAR, BICUBIC = 2, 3  # Pillow's numbers
WARPED_FROM = 384  # pixels: at this size ConvNeXt is shown the whole picture, below it the middle

NormalisedPixels = NDArray[np.float32]  # (N, 3, H, W)


@dataclass(frozen=True, slots=True)
class ProcessorDefaults:
    """What an image processor of transformers does where its settings are silent.

    size, crop: pixels. colors: mean and deviation. int_is_square: a bare number stretches the picture to a square, else
    is its short side. crop_share: crop over short side, of processors that cut to ``size`` by themselves.
    Source: the class attributes in ``transformers/models/*/image_processing_pil_*.py``; a test compares them.
    """

    size: int
    crop: int | None
    resample: int
    colors: tuple[tuple[float, ...], tuple[float, ...]]
    int_is_square: bool
    crop_share: float | None = None


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


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """form: what the router makes of a picture. size: (width, height) of what the model sees, the middle of the form.

    mean, std: of red, green and blue, in units of ``scale`` times a level of 0 to 255.
    """

    form: ImageInput
    size: tuple[int, int]
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def pixels(self, images: Sequence[Pixels]) -> NormalisedPixels:
        """(N, 3, H, W) of (H, W, 3) forms."""
        width, height = self.size
        levels = np.arange(256) * self.scale
        tables = [np.asarray((levels - mean) / std, np.float32) for mean, std in zip(self.mean, self.std, strict=True)]
        normalised = np.empty((len(images), 3, height, width), np.float32)
        for i, image in enumerate(images):
            top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
            for c, table in enumerate(tables):
                table.take(image[top : top + height, left : left + width, c], out=normalised[i, c])
        return normalised


def preprocessing_of(settings: Mapping[str, Any] | None, config: Mapping[str, Any], processor: str) -> Preprocessing:
    """What an image processor's settings ask for; None: the processor's own at the size in the model's config.json.

    processor: class of transformers where the settings do not name one. Raises `ExtractorUnavailable`.
    """
    name = str((settings or {}).get("image_processor_type") or (settings or {}).get("feature_extractor_type") or "")
    defaults = defaults_of(name) or defaults_of(processor)
    if defaults is None:
        raise ExtractorUnavailable(f"pictures are not prepared as {name or processor} does", "choose another model")
    if settings is None:
        defaults = _at_size(defaults, config)
    given = {key: value for key, value in (settings or {}).items() if value is not None}
    try:
        form, size = _form(given, defaults, config)
        scale = float(given.get("rescale_factor", 1 / 255)) if given.get("do_rescale", True) else 1.0
        normalises = bool(given.get("do_normalize", True))
        mean = _triple(given.get("image_mean", defaults.colors[0])) if normalises else (0.0,) * 3
        std = _triple(given.get("image_std", defaults.colors[1])) if normalises else (1.0,) * 3
        return Preprocessing(form, size, scale, mean, std)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        message = f"the settings of the image processor cannot be used: {error!r}"
        raise ExtractorUnavailable(message, "copy preprocessor_config.json again, or choose another model") from error


def defaults_of(processor: str) -> ProcessorDefaults | None:
    """Of a class of any backend or age: ``CLIPImageProcessorFast``, ``CLIPFeatureExtractor``; None: it is not known."""
    for ending in ("ImageProcessor", "FeatureExtractor"):
        family, found, _ = processor.partition(ending)
        if found:
            return _DEFAULTS.get(family)
    return None


def _form(
    given: Mapping[str, Any], defaults: ProcessorDefaults, config: Mapping[str, Any]
) -> tuple[ImageInput, tuple[int, int]]:
    resample = FILTERS[int(given.get("resample", defaults.resample))]
    if config.get("model_type") in PATCH_GRID:
        side = isqrt(int(given.get("max_num_patches", 256))) * int(given.get("patch_size", 16))
        return ImageInput("rgb", (side, side), resample=resample), (side, side)
    size = given.get("size", defaults.size)
    if not isinstance(size, Mapping):
        size = {"height": size, "width": size} if defaults.int_is_square else {"shortest_edge": size}
    crop = _crop(given, defaults)
    if "shortest_edge" not in size:
        stretched = int(size["width"]), int(size["height"])
        return ImageInput("rgb", stretched, resample=resample), crop or stretched
    edge = int(size["shortest_edge"])
    if defaults.crop_share is not None:
        if edge >= WARPED_FROM:
            return ImageInput("rgb", (edge, edge), resample=resample), (edge, edge)
        crop, edge = (edge, edge), int(edge / float(given.get("crop_pct", defaults.crop_share)))
    crop = crop or (edge, edge)  # a model is shown pictures of one size: of one kept whole, the middle
    return ImageInput("rgb", crop, short_side=edge, resample=resample), crop


def _crop(given: Mapping[str, Any], defaults: ProcessorDefaults) -> tuple[int, int] | None:
    crop = given.get("crop_size", defaults.crop)
    if crop is None or not given.get("do_center_crop", defaults.crop is not None):
        return None
    return (int(crop["width"]), int(crop["height"])) if isinstance(crop, Mapping) else (int(crop), int(crop))


def _at_size(defaults: ProcessorDefaults, config: Mapping[str, Any]) -> ProcessorDefaults:
    """The defaults at the size that the model was made for; the share that is cut off stays what it is."""
    side = config.get("image_size") or (config.get("vision_config") or {}).get("image_size")
    if isinstance(side, (list, tuple)):
        side = side[0]
    if not isinstance(side, int):
        return defaults
    resized = round(side * defaults.size / defaults.crop) if defaults.crop else side
    return replace(defaults, size=resized, crop=side if defaults.crop else None)


def _triple(values: Any) -> tuple[float, ...]:
    triple = tuple(float(value) for value in values) if isinstance(values, Sequence) else (float(values),) * 3
    if len(triple) != 3:
        raise ValueError(f"not three numbers: {values!r}")
    return triple

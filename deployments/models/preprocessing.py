"""How a checkpoint wants its pictures: what its image processor's settings mean, done by one backend, ours.

transformers has two backends whose pixels differ a little, and would need the picture in full. Here the router makes
the small form of it with Pillow (`deployments.pictures.prepare`), and only scale, mean and deviation are left to the
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
from deployments.models.processors import ProcessorDefaults, defaults_of
from storage.errors import ExtractorUnavailable

FILTERS: Mapping[int, Resampling] = {  # by Pillow's numbers
    0: "nearest",
    1: "lanczos",
    2: "bilinear",
    3: "bicubic",
    4: "box",
    5: "hamming",
}
WARPED_FROM = 384  # pixels: at this size ConvNeXt is shown the whole picture, below it the middle

NormalisedPixels = NDArray[np.float32]  # (N, 3, H, W)


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
        mean = _triple(given.get("image_mean", defaults.mean)) if normalises else (0.0,) * 3
        std = _triple(given.get("image_std", defaults.std)) if normalises else (1.0,) * 3
        return Preprocessing(form, size, scale, mean, std)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        message = f"the settings of the image processor cannot be used: {error!r}"
        raise ExtractorUnavailable(message, "copy preprocessor_config.json again, or choose another model") from error


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

"""Models as functions from pixels to vectors: one `torch.nn.Module` whatever the checkpoint is, for towers to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deployments.models.fetching.families import PATCH_GRID, VISION_TOWERS, Pooling
from deployments.models.fetching.files import ModelFiles
from deployments.models.loading import Placement, Tensor, load_config, load_model
from storage.errors import ExtractorUnavailable

ImageModule = Any  # torch.nn.Module: (N, 3, H, W) pixels -> (N, D)
ImageFunction = Callable[[Any, Tensor], Tensor]  # model, pixels -> (N, D)


def load_backbone(files: ModelFiles, placement: Placement) -> tuple[ImageModule, Pooling]:
    """The image side of any checkpoint that has one, and how its vector comes about.

    Of a dual encoder its image features, the text tower left on the disk; else what the model pools, or, where the
    checkpoint never trained a pooler, what the family has instead. Raises `ExtractorUnavailable`.
    """
    if files.model_type in VISION_TOWERS:
        config = load_config(files)
        vision = config.vision_config
        if hasattr(vision, "projection_dim"):
            vision.projection_dim = config.projection_dim
        loaded = load_model(files, VISION_TOWERS[files.model_type], placement, vision)
        if loaded.missing:
            raise ExtractorUnavailable(f"{files.folder} lacks {min(loaded.missing)!r}", "choose another model")
        return image_module(loaded.model, _vision_features(files.model_type, vision)), "pooler"
    loaded = load_model(files, "AutoModel", placement)
    has_pooler = getattr(loaded.model, "pooler", True) is not None and not loaded.missing
    pooling: Pooling = "pooler" if has_pooler and _pools(loaded.model) else files.family.without_pooler
    return image_module(loaded.model, _POOLED[pooling]), pooling


def load_classifier(files: ModelFiles, placement: Placement) -> tuple[ImageModule, Any]:
    """Pixels to logits, (N, classes), and the transformers config. Raises `ExtractorUnavailable`, also where the
    weights of the classes are missing.
    """
    loaded = load_model(files, "AutoModelForImageClassification", placement)
    if loaded.missing:
        raise ExtractorUnavailable(f"{files.folder} lacks {min(loaded.missing)!r}", "choose another model")
    return image_module(loaded.model, lambda model, pixels: model(pixel_values=pixels).logits), loaded.model.config


def image_features(model: Any, model_type: str) -> ImageModule:
    """The image side of a whole dual encoder, in the space that it shares with text."""
    if model_type in PATCH_GRID:
        patch = int(model.config.vision_config.patch_size)
        return image_module(model, lambda dual, pixels: features_of(dual.get_image_features(**_patches(pixels, patch))))
    return image_module(model, lambda dual, pixels: features_of(dual.get_image_features(pixel_values=pixels)))


def features_of(output: Any) -> Tensor:
    """(N, D): what ``get_image_features`` and its like return is the tensor itself, or holds it."""
    return getattr(output, "pooler_output", output)


def image_module(model: Any, function: ImageFunction) -> ImageModule:
    """``function`` over ``model`` as a module."""
    import torch

    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixels: Tensor) -> Tensor:
            return function(self.model, pixels)

    return Module().eval()


def _vision_features(model_type: str, config: Any) -> ImageFunction:
    if model_type in PATCH_GRID:
        patch = int(config.patch_size)
        return lambda model, pixels: model(**_patches(pixels, patch)).pooler_output
    if hasattr(config, "projection_dim"):
        return lambda model, pixels: model(pixel_values=pixels).image_embeds
    return lambda model, pixels: model(pixel_values=pixels).pooler_output


def _patches(pixels: Tensor, side: int) -> dict[str, Tensor]:
    """A picture as the list of its patches, every one of them to be looked at.

    Source: ``convert_image_to_patches`` in transformers' ``image_processing_pil_siglip2.py``.
    """
    import torch

    count, channels, height, width = pixels.shape
    rows, columns = height // side, width // side
    grid = pixels.reshape(count, channels, rows, side, columns, side).permute(0, 2, 4, 3, 5, 1)
    return {
        "pixel_values": grid.reshape(count, rows * columns, side * side * channels),
        "pixel_attention_mask": torch.ones((count, rows * columns), dtype=torch.int32, device=pixels.device),
        "spatial_shapes": torch.tensor([[rows, columns]] * count, dtype=torch.int64, device=pixels.device),
    }


def _pools(model: Any) -> bool:
    """Whether its output has a pooled vector, told by a look at a gray picture."""
    import torch

    side = getattr(model.config, "image_size", 224)
    width, height = (side, side) if isinstance(side, int) else (side[1], side[0])
    parameter = next(model.parameters())
    blank = torch.zeros((1, 3, height, width), dtype=parameter.dtype, device=parameter.device)
    with torch.inference_mode():
        return getattr(model(pixel_values=blank), "pooler_output", None) is not None


_POOLED: dict[Pooling, ImageFunction] = {
    "pooler": lambda model, pixels: model(pixel_values=pixels).pooler_output.flatten(1),
    "class_token": lambda model, pixels: model(pixel_values=pixels).last_hidden_state[:, 0],
    "patch_mean": lambda model, pixels: model(pixel_values=pixels).last_hidden_state[:, 1:].mean(1),
    "token_mean": lambda model, pixels: model(pixel_values=pixels).last_hidden_state.mean(1),
}

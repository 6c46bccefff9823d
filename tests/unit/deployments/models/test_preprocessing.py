from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import transformers.models as families

from deployments.extractor import ImageInput
from deployments.models.fetching.families import BACKBONES, CAPTIONERS, DUAL_ENCODERS
from deployments.models.preprocessing import defaults_of, preprocessing_of
from deployments.pictures.images import WorkingImage
from deployments.pictures.prepared import prepare
from storage.errors import ExtractorUnavailable
from tests.unit.deployments.models.tiny_models import quiet
from tests.unit.deployments.pictures.samples import photo

PROCESSORS: dict[str, Any] = {
    "Beit": families.beit.image_processing_pil_beit.BeitImageProcessorPil,
    "Bit": families.bit.image_processing_pil_bit.BitImageProcessorPil,
    "Blip": families.blip.image_processing_pil_blip.BlipImageProcessorPil,
    "CLIP": families.clip.image_processing_pil_clip.CLIPImageProcessorPil,
    "ConvNext": families.convnext.image_processing_pil_convnext.ConvNextImageProcessorPil,
    "DeiT": families.deit.image_processing_pil_deit.DeiTImageProcessorPil,
    "MobileNetV1": families.mobilenet_v1.image_processing_pil_mobilenet_v1.MobileNetV1ImageProcessorPil,
    "MobileNetV2": families.mobilenet_v2.image_processing_pil_mobilenet_v2.MobileNetV2ImageProcessorPil,
    "Siglip": families.siglip.image_processing_pil_siglip.SiglipImageProcessorPil,
    "ViT": families.vit.image_processing_pil_vit.ViTImageProcessorPil,
}
SETTINGS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((name, {}) for name in PROCESSORS),
    ("CLIP", {"size": 96, "crop_size": 64}),
    ("CLIP", {"size": {"shortest_edge": 48}, "crop_size": {"height": 64, "width": 64}, "resample": 2}),
    ("Bit", {"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, "image_std": [0.2, 0.3, 0.4]}),
    ("ViT", {"size": 65, "resample": 1, "do_normalize": False}),
    ("Siglip", {"size": {"height": 48, "width": 80}, "do_rescale": False}),
    ("Beit", {"size": {"height": 80, "width": 80}, "crop_size": 64, "do_center_crop": True, "resample": 0}),
    ("ConvNext", {"size": {"shortest_edge": 64}, "crop_pct": 0.9}),
    ("MobileNetV2", {"size": {"height": 64, "width": 64}, "do_center_crop": False, "resample": 4}),
)


@pytest.mark.parametrize("size", [(300, 211), (150, 340), (40, 50)])
@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_pixels_are_those_of_transformers_pil_backend(
    name: str, settings: dict[str, Any], size: tuple[int, int]
) -> None:
    picture = photo(*size)
    with quiet():
        wanted = PROCESSORS[name](**settings)(images=[picture], return_tensors="np")["pixel_values"]
    ours = preprocessing_of({**settings, "image_processor_type": f"{name}ImageProcessor"}, {}, "")
    form = prepare(WorkingImage(picture, *size, "png"), ours.form)
    assert (form.shape[1], form.shape[0]) == ours.form.size
    found = ours.pixels([form])
    assert found.dtype == np.float32
    level = ours.scale / np.array(ours.std)[None, :, None, None]
    difference = np.abs(found - wanted) / level  # in levels of 0 to 255
    assert difference.max() <= 2.01
    assert difference.mean() < 0.3


@pytest.mark.parametrize("name", sorted(PROCESSORS))
def test_defaults_are_those_of_transformers(name: str) -> None:
    ours, theirs = defaults_of(f"{name}FeatureExtractor"), PROCESSORS[name]
    assert ours is not None
    assert ours.size in theirs.size.values()
    assert ours.int_is_square == ("shortest_edge" not in theirs.size)
    assert (ours.resample, *ours.colors[0], *ours.colors[1]) == (theirs.resample, *theirs.image_mean, *theirs.image_std)
    assert ours.crop == (theirs.crop_size["height"] if getattr(theirs, "do_center_crop", False) else None)


def test_every_family_has_a_processor() -> None:
    for family in (*BACKBONES.values(), *DUAL_ENCODERS.values(), *CAPTIONERS.values()):
        assert defaults_of(family.processor), family


@pytest.mark.parametrize(
    ("processor", "config", "form"),
    [
        ("CLIPImageProcessor", {"vision_config": {"image_size": 336}}, ImageInput("rgb", (336, 336), 336, "bicubic")),
        (
            "SiglipImageProcessor",
            {"vision_config": {"image_size": 384}},
            ImageInput("rgb", (384, 384), None, "bicubic"),
        ),
        ("ViTImageProcessor", {"image_size": [64, 64]}, ImageInput("rgb", (64, 64), None, "bilinear")),
        ("Dinov2ImageProcessor", {"image_size": 518}, ImageInput("rgb", (518, 518), 592, "bicubic")),
        ("ConvNextImageProcessor", {"image_size": 224}, ImageInput("rgb", (224, 224), 256, "bicubic")),
        ("CLIPImageProcessor", {}, ImageInput("rgb", (224, 224), 224, "bicubic")),
    ],
)
def test_without_settings_the_size_is_the_models_own(processor: str, config: dict[str, Any], form: ImageInput) -> None:
    assert preprocessing_of(None, config, processor).form == form


def test_patches_of_any_number_become_a_square_grid() -> None:
    settings = {"image_processor_type": "Siglip2ImageProcessor", "patch_size": 16, "max_num_patches": 700}
    assert preprocessing_of(settings, {"model_type": "siglip2"}, "").size == (26 * 16, 26 * 16)


@pytest.mark.parametrize(
    "settings",
    [{"size": {"longest_edge": 9}}, {"size": "large"}, {"resample": 99}, {"image_mean": [1]}, {"image_std": "no"}],
)
def test_settings_that_mean_nothing_here_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ExtractorUnavailable, match="settings of the image processor cannot be used"):
        preprocessing_of(settings, {}, "ViTImageProcessor")


def test_an_unknown_processor_is_refused() -> None:
    with pytest.raises(ExtractorUnavailable, match="not prepared as SamImageProcessor does"):
        preprocessing_of({"image_processor_type": "SamImageProcessor"}, {}, "")

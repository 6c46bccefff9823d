"""Which extractors there are. To add one: its file in this folder, one line here, its test."""

from __future__ import annotations

from deployments.extractor import Extractor
from deployments.parts import Registry

EXTRACTORS: Registry[Extractor] = Registry(
    "extractor",
    "extractors",
    {
        "phash": ("deployments.extractors.phash", "Phash"),
        "color": ("deployments.extractors.color", "Color"),
        "local": ("deployments.extractors.local", "Local"),
        "global": ("deployments.extractors.global_embedding", "Global"),
        "image_text": ("deployments.extractors.image_text", "ImageText"),
        "text": ("deployments.extractors.text", "Text"),
        "fake": ("deployments.extractors.fake", "Fake"),
        "fake_model": ("deployments.extractors.fake_model", "FakeModel"),
    },
    frozenset({"fake", "fake_model"}),
)

extractor_configs = EXTRACTORS.configs
create_extractor = EXTRACTORS.create
validate_config = EXTRACTORS.validate
extractor_class = EXTRACTORS.part_class

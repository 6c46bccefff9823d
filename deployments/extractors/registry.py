"""Which extractors there are. To add one: its file in this folder, one line here, its test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from deployments.extractor import Extractor, ExtractorConfig, ExtractorDescription, ImageInput
from deployments.parts import Registry
from storage.types.features import FeatureSpec

_EXTRACTORS = Registry(
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


def extractor_configs() -> dict[str, type[ExtractorConfig]]:
    """The settings class of every extractor, for checking a configuration file."""
    return _EXTRACTORS.configs()


def create_extractor(name: str, config: Mapping[str, Any] | None = None) -> Extractor:
    """Build one, model and all.

    Raises `Misconfigured` for an unknown name or setting, `ExtractorUnavailable` for a model that cannot load.
    """
    return cast(Extractor, _EXTRACTORS.create(name, config))


def describe_extractor(name: str, config: Mapping[str, Any] | None = None) -> ExtractorDescription:
    """What can be said of one without building it. Raises `Misconfigured`."""
    extractor, settings = extractor_class(name), validate_config(name, config)
    spec_for = getattr(extractor, "spec_for", None)
    image_input = getattr(extractor, "image_input", None)
    spec: FeatureSpec | None = spec_for(settings) if spec_for else None
    return ExtractorDescription(
        name=name,
        kind=spec.kind if spec is not None else getattr(extractor, "kind", "dense"),
        image_input=image_input if isinstance(image_input, ImageInput) else None,  # a property: the model decides
        spec=spec,
        embeds_text=hasattr(extractor, "embed_texts"),
        has_query_views=hasattr(extractor, "query_views"),
    )


def validate_config(name: str, config: Mapping[str, Any] | None = None) -> ExtractorConfig:
    """The extractor's settings, checked. Raises `Misconfigured` that names the key."""
    return _EXTRACTORS.validate(name, config)


def extractor_class(name: str) -> Any:
    """The class itself, for what it knows without being built. Raises `Misconfigured` for an unknown name."""
    return _EXTRACTORS.part_class(name)

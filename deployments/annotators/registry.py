"""Which annotators there are. To add one: its file in this folder, one line here, its test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from deployments.extractor import Annotator, ExtractorConfig
from deployments.parts import Registry

_ANNOTATORS = Registry(
    "annotator",
    "annotators",
    {
        "tags": ("deployments.annotators.tags", "Tags"),
        "caption": ("deployments.annotators.caption", "Caption"),
    },
)


def annotator_configs() -> dict[str, type[ExtractorConfig]]:
    """The settings class of every annotator, for checking a configuration file."""
    return _ANNOTATORS.configs()


def create_annotator(name: str, config: Mapping[str, Any] | None = None) -> Annotator:
    """Build one, model and all.

    Raises `Misconfigured` for an unknown name or setting, `ExtractorUnavailable` for a model that cannot load.
    """
    return cast(Annotator, _ANNOTATORS.create(name, config))


def validate_annotator_config(name: str, config: Mapping[str, Any] | None = None) -> ExtractorConfig:
    """The annotator's settings, checked. Raises `Misconfigured` that names the key."""
    return _ANNOTATORS.validate(name, config)


def annotator_class(name: str) -> Any:
    """The class itself, for what it knows without being built. Raises `Misconfigured` for an unknown name."""
    return _ANNOTATORS.part_class(name)

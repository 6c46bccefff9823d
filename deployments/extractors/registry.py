"""Which extractors there are. To add one: its file in this folder, one line here, its test.

A module named here has a class ``Config`` and the extractor class, which takes a ``Config`` as its only argument. It is
imported when it is first asked for, because models bring heavy libraries.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, cast

from pydantic import ValidationError

from deployments.extractor import Extractor, ExtractorConfig, ExtractorDescription
from storage.errors import Misconfigured

_EXTRACTORS: Mapping[str, tuple[str, str]] = {  # name: module, class
    "phash": ("deployments.extractors.phash", "Phash"),
    "color": ("deployments.extractors.color", "Color"),
    "local": ("deployments.extractors.local", "Local"),
    "fake": ("deployments.extractors.fake", "Fake"),
}
_FOR_TESTS = frozenset({"fake"})


def known_extractors() -> tuple[str, ...]:
    """Names of the extractors that a user may run."""
    return tuple(name for name in _EXTRACTORS if name not in _FOR_TESTS)


def extractor_configs() -> dict[str, type[ExtractorConfig]]:
    """The settings class of every extractor, for checking a configuration file."""
    return {name: cast(type[ExtractorConfig], _module_of(name).Config) for name in _EXTRACTORS}


def create_extractor(name: str, config: Mapping[str, Any] | None = None) -> Extractor:
    """Build one, model and all.

    Raises `Misconfigured` for an unknown name or setting, `ExtractorUnavailable` for a model that cannot load.
    """
    return cast(Extractor, extractor_class(name)(validate_config(name, config)))


def describe_extractor(name: str, config: Mapping[str, Any] | None = None) -> ExtractorDescription:
    """What can be said of one without building it. Raises `Misconfigured`."""
    extractor, settings = extractor_class(name), validate_config(name, config)
    spec_for = getattr(extractor, "spec_for", None)
    return ExtractorDescription(
        name=name,
        image_input=extractor.image_input,
        spec=spec_for(settings) if spec_for else None,
        embeds_text=hasattr(extractor, "embed_texts"),
        has_query_views=hasattr(extractor, "query_views"),
    )


def validate_config(name: str, config: Mapping[str, Any] | None = None) -> ExtractorConfig:
    """The extractor's settings, checked. Raises `Misconfigured` that names the key."""
    settings = cast(type[ExtractorConfig], _module_of(name).Config)
    try:
        return settings.model_validate(dict(config or {}))
    except ValidationError as error:
        raise _misconfigured(name, error, tuple(settings.model_fields)) from error


def extractor_class(name: str) -> Any:
    """The class itself, for what it knows without being built. Raises `Misconfigured` for an unknown name."""
    return getattr(_module_of(name), _EXTRACTORS[name][1])


def _module_of(name: str) -> Any:
    if name not in _EXTRACTORS:
        raise Misconfigured(f"there is no extractor {name!r}", _nearest(name, known_extractors()))
    return import_module(_EXTRACTORS[name][0])


def _misconfigured(name: str, error: ValidationError, keys: tuple[str, ...]) -> Misconfigured:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return Misconfigured(f"extractors.{name} has no setting {key!r}", _nearest(key, keys))
    return Misconfigured(f"extractors.{name}.{key} cannot be {first['input']!r}: {first['msg']}", "correct the value")


def _nearest(word: str, known: tuple[str, ...]) -> str:
    if close := get_close_matches(word, known, n=1):
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(known)}" if known else "it takes no settings"

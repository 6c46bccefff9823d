"""Registries: which parts of a kind there are, and their settings. Parts are extractors or annotators.

A module named in a registry has a class ``Config`` and the part's class, which takes a ``Config`` as its only argument.
It is imported when it is first asked for, because models bring heavy libraries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Generic, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from deployments.extractor import ExtractorConfig
from storage.errors import Misconfigured

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Registry(Generic[P]):
    """kind: what one is called, "extractor"; section: where its settings stand in a configuration file.

    parts: module and class by name. for_tests: names that are not offered to users.
    """

    kind: str
    section: str
    parts: Mapping[str, tuple[str, str]]
    for_tests: frozenset[str] = frozenset()

    @property
    def offered(self) -> tuple[str, ...]:
        """Names of the parts that are for users."""
        return tuple(part for part in self.parts if part not in self.for_tests)

    def configs(self) -> dict[str, type[ExtractorConfig]]:
        """The settings class of every part, for checking a configuration file."""
        return {name: self._config_class(name) for name in self.parts}

    def create(self, name: str, config: Mapping[str, Any] | None = None) -> P:
        """Build one, model and all.

        Raises `Misconfigured` for an unknown name or setting, `ExtractorUnavailable` for a model that cannot load.
        """
        return cast(P, self.part_class(name)(self.validate(name, config)))

    def validate(self, name: str, config: Mapping[str, Any] | None = None) -> ExtractorConfig:
        """The part's settings, checked. Raises `Misconfigured` that names the key."""
        settings = self._config_class(name)
        try:
            return settings.model_validate(dict(config or {}))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise self._misconfigured(name, first, tuple(settings.model_fields)) from error

    def part_class(self, name: str) -> Any:
        """The class itself, for what it knows without being built. Raises `Misconfigured` for an unknown name."""
        return getattr(self._module(name), self.parts[name][1])

    def _config_class(self, name: str) -> type[ExtractorConfig]:
        return cast(type[ExtractorConfig], self._module(name).Config)

    def _module(self, name: str) -> Any:
        if name not in self.parts:
            raise Misconfigured(f"there is no {self.kind} {name!r}", _nearest(name, self.offered))
        return import_module(self.parts[name][0])

    def _misconfigured(self, name: str, first: ErrorDetails, keys: tuple[str, ...]) -> Misconfigured:
        part = f"{self.section}.{name}"
        key = ".".join(str(step) for step in first["loc"])
        match first["type"]:
            case "extra_forbidden":
                return Misconfigured(f"{part} has no setting {key!r}", _nearest(key, keys))
            case "missing":
                return Misconfigured(f"{part} needs the setting {key!r}", f"add {key} to it")
            case _ if not key:  # a rule about several keys
                return Misconfigured(f"{part}: {first['msg'].removeprefix('Value error, ')}", "correct the settings")
        return Misconfigured(f"{part}.{key} cannot be {first['input']!r}: {first['msg']}", "correct the value")


def _nearest(word: str, known: tuple[str, ...]) -> str:
    if close := get_close_matches(word, known, n=1):
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(known)}" if known else "it takes no settings"

"""What the router and the shards know of an extractor without its model: what it computes, from what, and how it
looks at queries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

from deployments.extractor import ImageInput
from deployments.extractors.registry import extractor_class, validate_config
from storage.types.features import FeatureKind, FeatureRows, FeatureSpec


class ExtractorProfile:
    """Answers only what needs no model. spec, image_input: None where the model decides. Raises Misconfigured for an
    unknown extractor or option.
    """

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        extractor, self._config = extractor_class(name), validate_config(name, options)
        self.spec: FeatureSpec | None = extractor.spec_for(self._config) if hasattr(extractor, "spec_for") else None
        self.kind: FeatureKind = getattr(extractor, "kind", "dense") if self.spec is None else self.spec.kind
        self.image_input: ImageInput | None = getattr(extractor, "image_input", None)
        self.embeds_text = hasattr(extractor, "embed_texts")
        self._views = extractor if hasattr(extractor, "query_views") else None

    def select_views(self, stored: FeatureRows, params: Mapping[str, Any]) -> FeatureRows:
        """What to search with for a stored picture. Raises InvalidField for a bad parameter."""
        if self._views is None:
            return stored
        return cast(FeatureRows, self._views.select_views(stored, params, self._config))

    def view_names(self, params: Mapping[str, Any]) -> Callable[[int], str] | None:
        """Names the rows of a query made with ``params``; None where there is one way to look only."""
        views = self._views
        if views is None:
            return None
        return cache(lambda view: cast(str, views.view_name(view, params)))


def extractor_profiles(extractors: Mapping[str, Mapping[str, Any]]) -> dict[str, ExtractorProfile]:
    """The profile of every configured extractor."""
    return {name: ExtractorProfile(name, options) for name, options in extractors.items()}

"""Annotators without a model of their own: tags by labels, which go by the vectors of the extractor of sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEXT_EXTRACTOR = "image_text"


def is_zero_shot(options: Mapping[str, Any]) -> bool:
    """Whether an annotator with these options needs the vectors of `TEXT_EXTRACTOR` instead of a model."""
    return options.get("labels") is not None

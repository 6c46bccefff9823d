"""Readers of options that hold several values: ``phash,local``, ``phash=2,color=1``, ``phash.orientations=all``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from storage.errors import InvalidField


def names(parts: Sequence[str] | None) -> list[str] | None:
    """["phash, local", "color"] -> ["phash", "local", "color"]."""
    if not parts:
        return None
    found = _split(parts)
    if not found:
        raise InvalidField("--features names no feature", "write it like --features phash,color")
    return found


def numbers(option: str, parts: Sequence[str] | None) -> dict[str, float] | None:
    """["phash=2,color=0.5", "local=1"] -> {"phash": 2.0, "color": 0.5, "local": 1.0}."""
    if not parts:
        return None
    return dict(_number(option, part) for part in _split(parts))


def _split(parts: Sequence[str]) -> list[str]:
    return [word.strip() for part in parts for word in part.split(",") if word.strip()]


def _number(option: str, part: str) -> tuple[str, float]:
    name, _, value = part.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not name.strip() or not math.isfinite(number):
        raise InvalidField(f"{option} cannot use {part!r}", f"write it like {option} phash=2,color=1")
    return name.strip(), number


def parameters(parts: Sequence[str]) -> dict[str, dict[str, Any]] | None:
    """["phash.orientations=all", "local.min_inliers=8"] -> {"phash": {"orientations": "all"}, "local": {...: 8}}."""
    found: dict[str, dict[str, Any]] = {}
    for part in parts:
        path, equals, value = part.partition("=")
        feature, dot, name = path.strip().partition(".")
        if not (feature and dot and name and equals):
            raise InvalidField(f"--param cannot use {part!r}", "write it like --param phash.orientations=all")
        found.setdefault(feature, {})[name] = _value(value)
    return found or None


def json_object(option: str, text: str | None) -> dict[str, Any] | None:
    """'{"year": 1998}' -> {"year": 1998}."""
    if text is None:
        return None
    value = _value(text)
    if not isinstance(value, dict):
        raise InvalidField(f"{option} is not a JSON object", f"""write it like {option} '{{"year": 1998}}'""")
    return value


def _value(text: str) -> Any:
    """JSON where it is JSON, and otherwise the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text

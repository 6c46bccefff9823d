"""Text from elsewhere (ids, metadata, messages) made fit for a terminal, and figures made readable."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graph.client import Tag

# Control, format (such as the marks that reverse a line), surrogate, line and paragraph separator.
HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str) -> str:
    """The text with everything that could steer a terminal, or forge a line or column, shown as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(c) if unicodedata.category(c) in HIDDEN_CATEGORIES else c for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def bytes_text(count: int) -> str:
    """1234567 -> "1.2 MB"."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def figure(value: object) -> str:
    """A distance or score, short: 4, 0.1235."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def states(features: Mapping[str, str]) -> str:
    """{"phash": "ok", "color": "pending"} -> "phash ok, color pending"."""
    return ", ".join(f"{name} {state}" for name, state in features.items())


def counted(number: int, noun: str) -> str:
    """1, "feature" -> "1 feature"; 2, "feature" -> "2 features"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def tags_text(tags: Sequence[Tag]) -> str:
    """ "airliner 0.93, wing 0.41"."""
    return ", ".join(f"{tag.label} {tag.score:.2f}" for tag in tags)

"""Filters as the service on this machine understands them: folders by their real paths."""

from __future__ import annotations

import os
from dataclasses import replace

from graph.cli.terminal.connection import is_here
from storage.errors import InvalidField
from storage.filters.text_form import filter_text, parse_filter
from storage.types.filters import AllOf, AnyOf, Comparison, Filter, Not

OF_PATHS = ("folder", "path")


def with_real_paths(text: str | None, server: str) -> str | None:
    """The filter with links in its folders and paths followed; as it is where there is none, where the service has
    another machine's files, or where the filter is wrong, which the service says.
    """
    if text is None or not is_here(server):
        return text
    try:
        given = parse_filter(text)
    except InvalidField:
        return text
    followed = _followed(given)
    return text if followed == given else filter_text(followed)


def _followed(part: Filter) -> Filter:
    match part:
        case AllOf(parts):
            return AllOf(tuple(map(_followed, parts)))
        case AnyOf(parts):
            return AnyOf(tuple(map(_followed, parts)))
        case Not(inner):
            return Not(_followed(inner))
        case Comparison(field=field, op="=" | "!=" | "in", values=values) if field in OF_PATHS:
            return replace(part, values=tuple(_real(value) if isinstance(value, str) else value for value in values))
    return part


def _real(path: str) -> str:
    """A name alone means folders of that name anywhere, and stays."""
    path = os.path.expanduser(path)
    return os.path.realpath(path) if os.path.isabs(path) else path

"""Filters and orders of requests."""

from __future__ import annotations

from typing import Any

from graph.http.forms.fields import PageFields, parse_json
from graph.requests.messages import ListRequest
from storage.errors import InvalidField
from storage.filters.fields import SORTABLE, field_of
from storage.filters.json_form import filter_from_json
from storage.filters.text_form import parse_filter
from storage.types.filters import Filter
from storage.types.listings import Sort


def filter_of(value: str | dict[str, Any] | None) -> Filter | None:
    """Text, or JSON as an object or as text. Raises InvalidField, which says where it is wrong."""
    if value is None:
        return None
    if isinstance(value, dict):
        return filter_from_json(value)
    if not value.lstrip().startswith("{"):
        return parse_filter(value)
    try:
        parsed = parse_json(value)
    except ValueError as error:
        raise InvalidField(
            f"filter: it is not JSON: {error}", "send JSON, or text that does not begin with {"
        ) from error
    return filter_from_json(parsed)


def list_request(fields: PageFields) -> ListRequest:
    """Raises InvalidField."""
    name, key = field_of("sort", fields.sort, SORTABLE)
    if name not in SORTABLE:
        raise InvalidField(f"sort: pictures cannot be sorted by {name}", f"sort by {', '.join(SORTABLE)}")
    sort = Sort(name, key, fields.order == "desc")
    return ListRequest(filter_of(fields.filter), sort, fields.cursor, fields.limit)

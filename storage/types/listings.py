"""Listing pictures in the order of a field."""

from __future__ import annotations

from typing import NamedTuple

from storage.types.pictures import ImageRecord

SortValue = str | float | None  # None: the picture does not have the field


class SortKey(NamedTuple):
    """Where a picture stands in a listing: by the field, then by its id."""

    value: SortValue
    id: str


class Listed(NamedTuple):
    """A picture of a listing, and what it was sorted by."""

    record: ImageRecord
    key: SortKey


class Sort(NamedTuple):
    """field, key: as of a `storage.types.filters.Comparison`."""

    field: str = "id"
    key: tuple[str, ...] = ()
    descending: bool = False

"""Listing pictures in the order of a field."""

from __future__ import annotations

from typing import Any, NamedTuple

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

    def puts_before(self, one: SortKey, other: SortKey) -> bool:
        """Numbers before texts; what does not have the field last, whichever way; ties by id."""
        if (one.value is None) != (other.value is None):
            return other.value is None
        if one.value == other.value:
            return one.id < other.id
        return (ranked(one.value) < ranked(other.value)) != self.descending


def ranked(value: SortValue) -> tuple[bool, Any]:
    """What sorts as the values do, of whatever types they are."""
    return isinstance(value, str), value

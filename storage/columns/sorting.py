"""Pictures in the order of a field, ties in the order of their ids; those that do not have it come last."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storage.columns.pictures import PictureColumns
from storage.columns.values import bare_folder
from storage.filters.fields import FIELDS
from storage.types.features import Handles
from storage.types.listings import Sort, SortKey, SortValue, ranked


@dataclass(frozen=True, slots=True, eq=False)
class SortColumn:
    """One field of all pictures."""

    columns: PictureColumns
    field: str
    key: tuple[str, ...] = ()

    def value(self, handle: int) -> SortValue:
        """What is compared; of the metadata the first of a list, with numbers before texts."""
        columns, name = self.columns, self.field
        if name == "path":
            return columns.path(handle)
        if name in ("id", "caption"):
            return columns.texts[name].get(handle)
        if name == "folder":
            folder = columns.coded["folder"].get(handle)
            return None if folder is None else bare_folder(folder)
        if name in ("format", "camera"):
            return columns.coded[name].get(handle)
        if name == "metadata":
            return _first(columns.keyed(self.key).get(handle))
        number = float(self._numbers()[handle])
        return None if np.isnan(number) else number

    def order(self, by_id: Handles, *, descending: bool) -> Handles:
        """The handles ``by_id``, which are in the order of their ids, in that of the field."""
        if self.field == "id":
            return by_id[::-1] if descending else by_id
        if FIELDS[self.field] in ("text", "folder", "metadata"):
            places = _places([self.value(handle) for handle in by_id.tolist()])
        else:
            places = self._numbers()[by_id]
        return by_id[np.argsort(-places if descending else places, kind="stable")]

    def _numbers(self) -> NDArray[np.float64]:
        if self.field == "missing":
            return np.asarray(self.columns.flags["missing"][: self.columns.count], np.float64)
        return self.columns.number(self.field)


def order_by_id(columns: PictureColumns) -> Handles:
    """All pictures. UTF-8 sorts as its characters do."""
    handles = np.flatnonzero(columns.present)
    ids = [columns.texts["id"].get(handle) or "" for handle in handles.tolist()]
    return handles[sorted(range(len(ids)), key=ids.__getitem__)]


def place_after(order: Handles, column: SortColumn, after: SortKey, sort: Sort) -> int:
    """Where in the order the first picture behind this place stands."""

    def is_behind(handle: int) -> bool:
        image_id = column.columns.texts["id"].get(int(handle)) or ""
        return sort.puts_before(after, SortKey(column.value(int(handle)), image_id))

    return bisect_left(order, True, key=is_behind)


def _places(values: Sequence[SortValue]) -> NDArray[np.float64]:
    """(N,) numbers in the order of the values; not a number where there is none."""
    known = sorted({value for value in values if value is not None}, key=ranked)
    places: dict[SortValue, float] = {value: place for place, value in enumerate(known)}
    return np.array([places[value] if value is not None else np.nan for value in values], np.float64)


def _first(scalars: str | None) -> SortValue:
    values = [] if scalars is None else json.loads(scalars)
    return None if not values else float(values[0]) if isinstance(values[0], int | float) else str(values[0])

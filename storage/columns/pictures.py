"""The columns of a shard's pictures."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.columns.coded import CodedColumn
from storage.columns.growing import with_room
from storage.columns.texts import Mask, TextColumn
from storage.filters.times import local_microseconds
from storage.types.pictures import ImageRecord

SEPARATOR = "\0"  # before and after each tag
KEYS_KEPT = 16  # columns of metadata, of the keys that were asked for last

Key = tuple[str, ...]


class PictureColumns:
    """Some 130 bytes a picture, and its metadata as JSON. Of a path the folder, with the slash at its end, is kept
    once, and the rest by itself: a folder has many files. Changed in place: the caller locks.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, NDArray[np.floating[Any]]] = {
            "width": np.zeros(0, np.float32),
            "height": np.zeros(0, np.float32),
            **{name: np.zeros(0, np.float64) for name in ("bytes", "added_at", "taken_at")},
        }
        self.flags: dict[str, Mask] = {name: np.zeros(0, np.bool_) for name in ("present", "missing", "gps")}
        self.texts = {name: TextColumn() for name in ("id", "name", "caption", "tags", "metadata")}
        self.coded: dict[str, CodedColumn] = {name: CodedColumn() for name in ("format", "camera", "folder")}
        self._keyed: OrderedDict[Key, CodedColumn] = OrderedDict()
        self.count = 0  # handles so far, those of removed pictures among them

    @property
    def memory_bytes(self) -> int:
        arrays = sum(array.nbytes for array in (*self.numbers.values(), *self.flags.values()))
        texts = sum(column.memory_bytes for column in self.texts.values())
        return arrays + texts + sum(column.memory_bytes for column in (*self.coded.values(), *self._keyed.values()))

    @property
    def present(self) -> Mask:
        """(count,) the handles that are pictures."""
        return self.flags["present"][: self.count]

    def put(self, handle: int, record: ImageRecord | None) -> None:
        """None: the picture is gone."""
        if handle >= self.count:
            self.count = handle + 1
        if handle >= len(self.flags["present"]):
            for name, array in self.numbers.items():
                self.numbers[name] = with_room(array, self.count, np.nan)
            for name, flags in self.flags.items():
                self.flags[name] = with_room(flags, self.count, False)
        self.flags["present"][handle] = record is not None
        self.flags["missing"][handle] = record is not None and record.missing
        path = None if record is None or record.source is None else record.source.path
        texts = self.texts
        texts["id"].put(handle, None if record is None else record.id)
        texts["name"].put(handle, None if path is None else path.rpartition("/")[2])
        texts["caption"].put(handle, None if record is None else _caption(record))
        texts["tags"].put(handle, None if record is None else _tags(record))
        metadata = None if record is None or not record.metadata else record.metadata
        texts["metadata"].put(handle, None if metadata is None else json.dumps(metadata))
        for key, column in self._keyed.items():
            column.put(handle, _scalars(metadata, key))
        exif = None if record is None else record.exif
        self.flags["gps"][handle] = exif is not None and exif.gps is not None
        self.coded["format"].put(handle, None if record is None else record.format or None)
        self.coded["camera"].put(handle, None if exif is None else exif.camera)
        self.coded["folder"].put(handle, None if path is None else path[: path.rfind("/") + 1])
        numbers = self.numbers
        if record is not None:  # 0: the picture was imported without its file
            numbers["width"][handle] = record.width or np.nan
            numbers["height"][handle] = record.height or np.nan
            numbers["bytes"][handle] = record.byte_size or np.nan
            numbers["added_at"][handle] = round(record.added_at * 1e6)
            numbers["taken_at"][handle] = local_microseconds(None if exif is None else exif.taken_at)

    def number(self, name: str) -> NDArray[np.float64]:
        """(count,) a field of numbers or times; not a number where there is none."""
        if name == "pixels":
            return self.number("width") * self.number("height")
        return np.asarray(self.numbers[name][: self.count], np.float64)

    def path(self, handle: int) -> str | None:
        folder = self.coded["folder"].get(handle)
        return None if folder is None else folder + (self.texts["name"].get(handle) or "")

    def keyed(self, key: Key) -> CodedColumn:
        """What the metadata of each picture has under the key: a JSON list of its value, or of the list's values."""
        column = self._keyed.get(key)
        if column is None:
            column = CodedColumn()
            for handle in np.flatnonzero(self.texts["metadata"].there(self.count)).tolist():
                column.put(handle, _scalars(json.loads(self.texts["metadata"].get(handle) or "{}"), key))
            self._keyed[key] = column
            if len(self._keyed) > KEYS_KEPT:
                self._keyed.popitem(last=False)
        self._keyed.move_to_end(key)
        return column


def _caption(record: ImageRecord) -> str | None:
    caption = record.annotations.get("caption")
    return caption if isinstance(caption, str) and caption else None


def _tags(record: ImageRecord) -> str | None:
    """Each between separators, so that a search for one with its separators finds no other."""
    tags = record.annotations.get("tags")
    labels = (
        [tag["label"] for tag in tags if isinstance(tag, Mapping) and isinstance(tag.get("label"), str)]
        if isinstance(tags, list | tuple)
        else []
    )
    return SEPARATOR + SEPARATOR.join(labels) + SEPARATOR if labels else None


def _scalars(metadata: Mapping[str, Any] | None, key: Key) -> str | None:
    """None where there is nothing, or null. Of what is neither a value nor a list only that it is there. As JSON, for
    1 and true are equal in Python.
    """
    found: Any = metadata
    for name in key:
        found = found.get(name) if isinstance(found, Mapping) else None
    if found is None:
        return None
    values = found if isinstance(found, list | tuple) else (found,)
    return json.dumps([value for value in values if isinstance(value, str | int | float)])

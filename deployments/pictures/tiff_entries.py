"""Single entries of a TIFF's directories, read from its bytes without anything else of it: EXIF is built like one, and
most RAW files are. Nothing that the bytes hold raises; slices never leave the block.

Source: TIFF 6.0; BigTIFF.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

BYTES_OF_KIND = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 10: 8, 13: 4, 129: 1}  # the kinds of entries that are wanted here
BIG_TIFF = 43
MOST_ENTRIES = 1000
MOST_BYTES = 128  # of a value

Entries = dict[int, tuple[int, bytes]]  # by tag: its kind and its bytes


@dataclass(frozen=True, slots=True)
class TiffBlock:
    """data: begins with a byte order. order: as `struct` writes it."""

    data: bytes = field(repr=False)
    order: Literal["<", ">"]

    @classmethod
    def of(cls, data: bytes) -> TiffBlock | None:
        """None where it is no TIFF. Only the byte order is looked at: RAW files have marks of their own behind it."""
        return cls(data, "<" if data[:2] == b"II" else ">") if data[:2] in (b"II", b"MM") else None

    @property
    def is_large(self) -> bool:
        return self.number(self.data[2:4]) == BIG_TIFF

    def first_directory(self, wanted: Collection[int]) -> Entries:
        return self.directory(self.number(self.data[8:16] if self.is_large else self.data[4:8]), wanted)

    def directory(self, start: int, wanted: Collection[int]) -> Entries:
        """The wanted entries of the directory at ``start``, each cut after 128 bytes."""
        head, inline, layout = (8, 8, "HHQ8s") if self.is_large else (2, 4, "HHI4s")
        row = struct.Struct(self.order + layout)
        count = min(self.number(self.data[start : start + head]), MOST_ENTRIES)
        rows = self.data[start + head : start + head + count * row.size]
        found: Entries = {}
        for tag, kind, length, value in row.iter_unpack(rows[: len(rows) // row.size * row.size]):
            if tag in wanted and kind in BYTES_OF_KIND:
                size = length * BYTES_OF_KIND[kind]
                source, at = (value, 0) if size <= inline else (self.data, self.number(value))
                found.setdefault(tag, (kind, source[at : at + min(size, MOST_BYTES)]))
        return found

    def number(self, data: bytes) -> int:
        return int.from_bytes(data, "little" if self.order == "<" else "big")

    def numbers(self, entry: tuple[int, bytes] | None) -> list[int]:
        """The whole numbers that an entry holds; none of one that is not there."""
        kind, data = entry or (1, b"")
        size = BYTES_OF_KIND[kind]
        return [self.number(data[i : i + size]) for i in range(0, len(data), size)]

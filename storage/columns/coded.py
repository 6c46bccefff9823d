"""Values of which many pictures have the same, each kept once: a format, a camera, a folder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from storage.columns.growing import with_room
from storage.columns.texts import Mask

NONE = -1
VALUE_BYTES = 150  # of Python's, about, for a value with its place in the tables


class CodedColumn:
    """None, where a picture has no value. A value that no picture has any more stays known."""

    def __init__(self) -> None:
        self._values: list[str] = []
        self._numbers: dict[str, int] = {}
        self._codes = np.zeros(0, np.int32)

    @property
    def memory_bytes(self) -> int:
        return self._codes.nbytes + VALUE_BYTES * len(self._values)

    def put(self, handle: int, value: str | None) -> None:
        if handle >= len(self._codes):
            self._codes = with_room(self._codes, handle + 1, NONE)
        if value is None:
            self._codes[handle] = NONE
            return
        number = self._numbers.get(value)
        if number is None:
            number = self._numbers[value] = len(self._values)
            self._values.append(value)
        self._codes[handle] = number

    def get(self, handle: int) -> str | None:
        code = int(self._codes[handle]) if handle < len(self._codes) else NONE
        return None if code < 0 else self._values[code]

    def matching(self, is_wanted: Callable[[str], bool], count: int) -> Mask:
        """(count,) whether the value is wanted; asked once for each value."""
        wanted = np.array([*map(is_wanted, self._values), False], np.bool_)  # the last is that of NONE
        return np.asarray(wanted[with_room(self._codes, count, NONE)[:count]])

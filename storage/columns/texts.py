"""Texts by handle in one buffer, and a search in all of them that takes a millisecond or two for 50,000 paths.

A text is kept as it is. Where more than the case of ASCII letters tells it from its folded form, that stands right
behind it. Of a text that is replaced the bytes stay until a third of the buffer is such.
"""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.columns.growing import with_room
from storage.compiled import CompiledLoop, compiled

Mask = NDArray[np.bool_]

NONE = -1  # for a length: there is no text
ANYWHERE, BEGINNING, WHOLE = range(3)  # where in a text something is looked for
WASTED_FRACTION = 1 / 3
_AS_IT_IS = np.arange(256, dtype=np.uint8)
_LOWERED = np.frombuffer(bytes(range(256)).lower(), np.uint8).copy()


def folded(text: str) -> str:
    """Without case; letters with accents in one form."""
    return (
        text.lower() if text.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    )


class TextColumn:
    """None, where a picture has no text. Takes no memory before it has the first."""

    def __init__(self) -> None:
        self._buffer = np.zeros(0, np.uint8)
        self._used = 0
        self._wasted = 0
        self._starts = np.zeros(0, np.int64)
        self._lengths = np.zeros(0, np.int32)
        self._folded_lengths = np.zeros(0, np.int32)  # 0: folding is lowering ASCII letters

    @property
    def memory_bytes(self) -> int:
        return self._buffer.nbytes + self._starts.nbytes + self._lengths.nbytes + self._folded_lengths.nbytes

    def put(self, handle: int, text: str | None) -> None:
        if text is None:
            if handle < len(self._lengths):
                self._forget(handle)
            return
        exact = _encoded(text)
        other = b"" if text.isascii() else _encoded(folded(text))
        end = self._used + len(exact) + len(other)
        if handle >= len(self._lengths) or end > len(self._buffer):
            self._make_room(handle + 1, len(exact) + len(other))
            end = self._used + len(exact) + len(other)
        self._forget(handle)
        self._buffer.data[self._used : end] = exact + other
        self._starts[handle], self._lengths[handle] = self._used, len(exact)
        if other:
            self._folded_lengths[handle] = len(other)
        self._used = end

    def get(self, handle: int) -> str | None:
        if handle >= len(self._lengths) or self._lengths[handle] < 0:
            return None
        start = self._starts[handle]
        return self._buffer[start : start + self._lengths[handle]].tobytes().decode("utf-8", "surrogatepass")

    def there(self, count: int) -> Mask:
        """(count,) whether there is a text."""
        return np.asarray(with_room(self._lengths, count, NONE)[:count] >= 0)

    def containing(self, text: str, count: int) -> Mask:
        """(count,) whether the text has this in it, whatever the case."""
        return self._found(_encoded(folded(text)), count, ANYWHERE, any_case=True)

    def beginning_with(self, text: str, count: int) -> Mask:
        """(count,) likewise."""
        return self._found(_encoded(folded(text)), count, BEGINNING, any_case=True)

    def equal_to(self, text: str, count: int, *, any_case: bool) -> Mask:
        return self._found(_encoded(folded(text) if any_case else text), count, WHOLE, any_case=any_case)

    def _found(self, wanted: bytes, count: int, where: int, *, any_case: bool) -> Mask:
        found = np.zeros(max(count, len(self._lengths)), np.uint8)
        if len(self._lengths):
            _find()(
                self._buffer, self._starts, self._lengths, self._folded_lengths, np.frombuffer(wanted, np.uint8).copy(),
                _LOWERED if any_case else _AS_IT_IS, where, any_case, found,
            )  # fmt: skip
        return found[:count].view(np.bool_)

    def _forget(self, handle: int) -> None:
        if self._lengths[handle] >= 0:
            self._wasted += int(self._lengths[handle]) + int(self._folded_lengths[handle])
            self._lengths[handle], self._folded_lengths[handle] = NONE, 0

    def _make_room(self, handles: int, size: int) -> None:
        self._starts = with_room(self._starts, handles, 0)
        self._lengths = with_room(self._lengths, handles, NONE)
        self._folded_lengths = with_room(self._folded_lengths, handles, 0)
        if self._used + size > len(self._buffer) and self._wasted > WASTED_FRACTION * self._used:
            self._tidy()
        self._buffer = with_room(self._buffer, self._used + size, 0)

    def _tidy(self) -> None:
        """Without the bytes of texts that were replaced."""
        kept = np.flatnonzero(self._lengths >= 0)
        sizes = self._lengths[kept].astype(np.int64) + self._folded_lengths[kept]
        ends = np.cumsum(sizes)
        before, self._buffer = self._buffer, np.zeros(int(sizes.sum()), np.uint8)
        for start, end, old in zip((ends - sizes).tolist(), ends.tolist(), self._starts[kept].tolist(), strict=True):
            self._buffer[start:end] = before[old : old + end - start]
        self._starts[kept] = ends - sizes
        self._used, self._wasted = len(self._buffer), 0


def _encoded(text: str) -> bytes:
    """Names of files may hold bytes that are no text, which Python keeps as lone surrogates."""
    return text.encode("utf-8", "surrogatepass")


def _find() -> CompiledLoop:
    return compiled(
        _find_loop, "uint8[:]", "int64[:]", "int32[:]", "int32[:]", "uint8[:]", "uint8[:]", "int64", "boolean",
        "uint8[:]",
    )  # fmt: skip


def _find_loop(
    buffer: NDArray[Any], starts: NDArray[Any], lengths: NDArray[Any], folded_lengths: NDArray[Any],
    wanted: NDArray[Any], form: NDArray[Any], where: int, any_case: bool, found: NDArray[Any],
) -> None:  # fmt: skip
    size = wanted.size
    for handle in range(lengths.size):
        first, length = starts[handle], lengths[handle]
        if any_case and folded_lengths[handle] > 0:
            first, length = first + length, folded_lengths[handle]
        if length < size or (where == WHOLE and length != size):
            continue
        last = first + length - size if where == ANYWHERE else first
        for place in range(first, last + 1):
            same = 0
            while same < size and form[buffer[place + same]] == wanted[same]:
                same += 1
            if same == size:
                found[handle] = 1
                break

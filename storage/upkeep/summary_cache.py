"""What results show of pictures, remembered by handle."""

from __future__ import annotations

Picture = tuple[str, bytes]  # its id, and its summary as `storage.encoding.summaries` packs it


class SummaryCache:
    """Of a moment, and of those after it until a write changes in place what a result shows: what is in it is true in
    each of them. A handle is never used again, so what is there of a picture that is gone is never asked for.
    """

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._known: dict[int, Picture] = {}

    def get(self, handle: int) -> Picture | None:
        return self._known.get(handle)

    def put(self, handle: int, picture: Picture) -> None:
        if len(self._known) >= self._capacity:
            self._known = {}  # as good as any order of leaving, and safe among threads
        self._known[handle] = picture

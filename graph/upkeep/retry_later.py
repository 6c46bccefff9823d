"""What could not be filled in, and when it is worth another try."""

from __future__ import annotations

from typing import NamedTuple

CAPACITY = 10_000


class FillKey(NamedTuple):
    """One feature or annotation of one picture by one model. model: its fingerprint."""

    image_id: str
    sha256: str
    name: str
    model: str


class FillFailures:
    """Tries come 1, 2, 4 ... rounds apart, at most ``longest_wait``. Of more than ``capacity`` failures the oldest are
    forgotten, and so tried in every round.
    """

    def __init__(self, *, longest_wait: int, capacity: int = CAPACITY) -> None:
        self._longest_wait = longest_wait
        self._capacity = capacity
        self._round = 0
        self._waits: dict[FillKey, tuple[int, int]] = {}  # rounds to wait, and the round of the next try

    def begin_round(self) -> None:
        self._round += 1

    def is_due(self, key: FillKey) -> bool:
        return self._round >= self._waits.get(key, (0, 0))[1]

    def note(self, key: FillKey) -> bool:
        """Whether it is the first failure."""
        known = self._waits.pop(key, None)
        wait = 1 if known is None else min(2 * known[0], self._longest_wait)
        self._waits[key] = (wait, self._round + wait)
        if len(self._waits) > self._capacity:
            del self._waits[next(iter(self._waits))]
        return known is None

    def forget(self, key: FillKey) -> None:
        self._waits.pop(key, None)

    def __len__(self) -> int:
        return len(self._waits)

"""What does not fit in the data of an original installation: counted, with examples, and told one by one."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from storage.types.jobs import JobFailure

EXAMPLES = 3


@dataclass(slots=True)
class DefectCount:
    """Of one kind of defect. examples: the first few, in words."""

    code: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


class Defects:
    """Takes what others find, in any thread. Each is kept until somebody takes it; the counts stay."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kinds: dict[str, DefectCount] = {}
        self._new: list[JobFailure] = []

    def add(self, code: str, where: str, reason: str) -> None:
        """where: the store and the key in it, the file, or the id: one defect of a place is kept."""
        shown = where.encode(errors="replace").decode()
        reason = reason.encode(errors="replace").decode()
        with self._lock:
            kind = self._kinds.setdefault(code, DefectCount(code))
            kind.count += 1
            if len(kind.examples) < EXAMPLES:
                kind.examples.append(f"{shown}: {reason}")
            self._new.append(JobFailure(shown, code, reason))

    def taken(self) -> list[JobFailure]:
        """Those that were added since the last call."""
        with self._lock:
            new, self._new = self._new, []
        return new

    @property
    def counts(self) -> list[DefectCount]:
        """Most frequent first."""
        return sorted(self._kinds.values(), key=lambda kind: (-kind.count, kind.code))

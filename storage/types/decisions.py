"""What somebody decided of two pictures that may be duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# different: they are no duplicates. keep_both: they are, and both stay. keep: of the two, the first is kept.
Choice = Literal["different", "keep_both", "keep"]


@dataclass(frozen=True, slots=True)
class Decision:
    """a, b: ids. a_sha256, b_sha256: of the two pictures' bytes as they were then: it is of these, and void once either
    id has another picture. decided_at: Unix seconds.
    """

    id: str
    a: str
    b: str
    decision: Choice
    note: str | None
    decided_at: float
    a_sha256: str
    b_sha256: str

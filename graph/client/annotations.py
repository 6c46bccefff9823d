"""What annotators said of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Tag:
    label: str
    score: float


class HasAnnotations:
    """Something with ``annotations``, by annotator as JSON; those of this version's annotators are typed."""

    __slots__ = ()

    annotations: Mapping[str, Any]

    @property
    def tags(self) -> tuple[Tag, ...]:
        """Best first; empty where there are none."""
        return tuple(Tag(tag["label"], tag["score"]) for tag in self.annotations.get("tags", ()))

    @property
    def caption(self) -> str | None:
        return self.annotations.get("caption")

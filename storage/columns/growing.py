"""Arrays that are indexed by handle and grow as handles come."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)

FIRST = 256


def with_room(array: NDArray[T], count: int, fill: Any) -> NDArray[T]:
    """The array itself where it holds so many, or a larger copy, filled up with ``fill``."""
    if count <= len(array):
        return array
    larger = np.full(max(FIRST, count, len(array) + len(array) // 4), fill, array.dtype)
    larger[: len(array)] = array
    return larger

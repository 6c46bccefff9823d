"""Made-up hard pictures: files that can be read, all different, the same again, another family for another seed."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.hard_pictures import KINDS, drawn, hard_pictures


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_a_family_differ_and_come_out_the_same_again(kind: str) -> None:
    files = hard_pictures(kind, 3, seed=5)
    assert len(set(files)) == 3
    assert hard_pictures(kind, 2, seed=5) == files[:2]
    for file in files:
        with Image.open(io.BytesIO(file)) as picture:
            assert 600 <= max(picture.size) <= 1600


@pytest.mark.parametrize("kind", ["text_page", "form", "screenshot", "template"])
def test_what_a_family_shares_another_family_does_not(kind: str) -> None:
    """Shrunk, pixel by pixel: those of one family are nearer to each other than to those of another."""
    first, second = ([_small(picture) for picture in drawn(kind, 2, seed)] for seed in (5, 6))
    within = max(_difference(first[0], first[1]), _difference(second[0], second[1]))
    across = min(_difference(one, other) for one in first for other in second)
    assert within < across


def _small(picture: Image.Image) -> NDArray[np.float64]:
    return np.asarray(picture.convert("L").resize((256, 256), Image.Resampling.BOX), dtype=np.float64)


def _difference(one: NDArray[np.float64], other: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    return float(np.abs(one - other).mean())

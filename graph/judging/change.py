"""What was changed between two pictures of one photograph: where they differ, and whether a person would see it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graph.judging.evidence import CLEAR_DETAIL
from graph.judging.pixels import Comparison

DIFFERS = 0.5  # correlation of a block with detail, below which something else is there
OTHER_BRIGHTNESS = 14.0  # gray levels, by which a block stands out
GAINS = 0.85, 1.18
LEVELS = 16.0  # gray levels
MIDDLE_GRAY = 110.0
DULL = 0.62  # sharpness of most blocks, below which a picture is blurred


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """changed: (B,) which blocks show something else. is_visible: whether a person would call it a change. says: what
    it is.
    """

    changed: NDArray[np.bool_]
    compared: Comparison
    says: tuple[str, ...]

    @property
    def is_visible(self) -> bool:
        return bool(self.says)


def change_of(compared: Comparison) -> Change:
    differs = (compared.correlation < DIFFERS) & (compared.detail >= CLEAR_DETAIL)
    differs |= np.abs(compared.offset) > OTHER_BRIGHTNESS
    says = []
    if differs.any():  # of 600 copies that were only saved anew or scaled 14 have such a block
        says.append("parts differ")
    tone = compared.tone
    at_middle = (tone.gain - 1) * MIDDLE_GRAY + tone.level
    if not GAINS[0] <= tone.gain <= GAINS[1] or abs(at_middle) > LEVELS:
        says.append("brightness or contrast differ")
    told = compared.told
    if told.any():
        sharpness = float(np.median(compared.sharpness[told]))
        if not DULL <= sharpness <= 1 / DULL:
            says.append("sharpness differs")
    return Change(differs, compared, tuple(says))


def changed_boxes(change: Change) -> list[tuple[float, float, float, float]]:
    """x, y, width and height of each changed block, as shares of the stored picture."""
    compared = change.compared
    width, height = compared.block / compared.size[0], compared.block / compared.size[1]
    return [(float(x - width / 2), float(y - height / 2), width, height) for x, y in compared.places[change.changed]]

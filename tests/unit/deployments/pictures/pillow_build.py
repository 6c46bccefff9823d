"""What the installed Pillow is and can do: Pillow from its wheel, or Pillow-SIMD, which is built from source.

Pillow-SIMD rounds its resampling and its luma in another way, and a build from source may lack libraries.
"""

from __future__ import annotations

import numpy as np
import PIL
import pytest
from PIL import features

from deployments.extractor import Pixels

IS_SIMD = ".post" in PIL.__version__
LIBRARIES = {"webp": "webp", "avif": "avif", "jpeg2000": "jpg_2000", "LAB": "littlecms2"}


def readable(*names: str) -> tuple[str, ...]:
    """Those of ``names`` (formats and modes) that this build can write and read."""
    return tuple(name for name in names if name not in LIBRARIES or features.check(LIBRARIES[name]))


def each(*names: str) -> list[object]:
    """Parameters of a test; it is skipped, and the reason said, for those that this build cannot write and read."""
    return [
        pytest.param(
            name,
            marks=pytest.mark.skipif(not readable(name), reason=f"this build of Pillow lacks {LIBRARIES.get(name)}"),
        )
        for name in names
    ]


def assert_pillows_pixels(pixels: Pixels, pillows: Pixels, *, simd_levels: int) -> None:
    """Equal bit for bit; beside Pillow-SIMD, at most ``simd_levels`` gray levels of 255 apart."""
    np.testing.assert_allclose(pixels.astype(int), pillows.astype(int), rtol=0, atol=simd_levels if IS_SIMD else 0)

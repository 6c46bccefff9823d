"""Gray pictures for the tests of keypoints: blobs whose keypoints are known, and a photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage
from PIL import Image

from deployments.extractor import Pixels

PHOTOS = Path(skimage.__file__).parent / "data"


def blob(size: tuple[int, int], x: float, y: float, sigma: float, height: float = 150.0) -> Pixels:
    """(H, W) a Gaussian hill of ``height`` gray levels; ``size`` is (width, height)."""
    down, across = np.mgrid[: size[1], : size[0]]
    hill = height * np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * sigma**2))
    return np.asarray(np.rint(60 + hill) if height > 0 else np.rint(220 + hill), np.uint8)


def photo(name: str = "camera.png", size: tuple[int, int] | None = None) -> Pixels:
    """(H, W) a gray photo that ships with scikit-image, at another ``size`` (width, height) where one is given."""
    with Image.open(PHOTOS / name) as file:
        gray = file.convert("L")
    return np.asarray(gray if size is None else gray.resize(size, Image.Resampling.BICUBIC))


def texture(size: tuple[int, int], seed: int = 0) -> Pixels:
    """(H, W) noise at every scale."""
    rng = np.random.default_rng(seed)
    width, height = size
    total = np.zeros((height, width))
    for side in (6, 12, 24, 48, 96):
        coarse = Image.fromarray(rng.integers(0, 256, (side, side), dtype=np.uint8))
        total += np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), np.float64)
    total -= total.min()
    return np.asarray(total / total.max() * 255, np.uint8)

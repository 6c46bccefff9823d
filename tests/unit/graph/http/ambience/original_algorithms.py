"""What the original services computed, written once more from their description, in plain numpy, scipy and Pillow."""

from __future__ import annotations

import importlib.util
import io
from functools import cache
from pathlib import Path

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from PIL import Image

HISTOGRAM_SUM = 10_000_000
PHOTOS = {
    "skimage": ("data/astronaut.png", "data/chelsea.png", "data/coffee.png", "data/rocket.jpg", "data/camera.png"),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
}


def packaged_photos() -> dict[str, bytes]:
    """Real photographs, by file name; none has a side over 1024 pixels."""
    return {
        Path(name).name: (package_folder(package) / name).read_bytes()
        for package, names in PHOTOS.items()
        for name in names
    }


def package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@cache
def phash(data: bytes, *, mirrored: bool = False) -> NDArray[np.bool_]:
    """(576,) gray, 96 x 96 Lanczos, DCT-II of rows and columns, the 24 x 24 low frequencies, above their median."""
    gray = Image.open(io.BytesIO(data)).convert("L").resize((96, 96), Image.Resampling.LANCZOS)
    pixels = np.asarray(gray, np.float64)
    if mirrored:
        pixels = pixels[:, ::-1]
    low = scipy.fft.dct(scipy.fft.dct(pixels, axis=0), axis=1)[:24, :24]
    bits: NDArray[np.bool_] = (low > np.median(low)).ravel()
    return bits


def hamming(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(a != b))


def phash_distance(query: bytes, stored: bytes) -> int:
    """Of a search by a file, which looks for the mirrored picture, too."""
    return min(hamming(phash(query, mirrored=mirrored), phash(stored)) for mirrored in (False, True))


@cache
def histogram(data: bytes) -> NDArray[np.float32]:
    """(512,) 8 x 8 x 8 joint RGB histogram, red slowest, that sums to ten million."""
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).reshape(-1, 3).astype(np.intp) // 32
    cells = pixels[:, 0] * 64 + pixels[:, 1] * 8 + pixels[:, 2]
    counts = np.bincount(cells, minlength=512).astype(np.float32)
    return np.divide(counts * HISTOGRAM_SUM, len(cells), dtype=np.float32)


def color_distance(query: bytes, stored: bytes) -> float:
    return float(np.abs(histogram(query).astype(np.float64) - histogram(stored)).sum())

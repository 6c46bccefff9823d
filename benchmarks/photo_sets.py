"""Folders of JPEGs to measure with, made once from real photographs with a fixed seed."""

from __future__ import annotations

import importlib.util
import io
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "benchmark-photos"
BESIDE = ROOT.parent / "shared" / "photos"  # more photographs, where the checkout has them beside it
SKIMAGE_PHOTOS = "astronaut brick chelsea coffee coins grass gravel hubble_deep_field motorcycle_left retina rocket"
QUALITIES = (75, 80, 85, 88, 90, 92, 94, 95, 96, 97, 98, 99)
GRAIN = 8  # of 255, at most


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """long_side: pixels; every second photo is upright. bytes_each: what the JPEG's quality is chosen for."""

    name: str
    count: int
    long_side: int
    bytes_each: int
    seed: int

    def folder(self) -> Path:
        """The folder, filled if it is not yet. File names differ between sets, so that their ids do too."""
        folder = FOLDER / f"{self.name}-{self.count}-{self.long_side}-{self.bytes_each}-{self.seed}"
        done = folder.with_suffix(".done")
        if not done.exists():
            folder.mkdir(parents=True, exist_ok=True)
            dice = random.Random(self.seed)
            sources = [upright(path) for path in dice.sample(source_files(), k=min(40, len(source_files())))]
            for number in range(self.count):
                data = self._jpeg(dice.choice(sources), number, dice)
                (folder / f"{self.name}-{self.seed}-{number:05d}.jpg").write_bytes(data)
            done.touch()
        return folder

    def files(self) -> list[Path]:
        return sorted(self.folder().iterdir())

    def _jpeg(self, source: Image.Image, number: int, dice: random.Random) -> bytes:
        size = (self.long_side, self.long_side * 3 // 4)
        picture = crop(source, size if number % 2 == 0 else size[::-1], dice)
        return jpeg_of_about(with_grain(picture, dice.getrandbits(32)), self.bytes_each)


def crop(source: Image.Image, size: tuple[int, int], dice: random.Random) -> Image.Image:
    """A random part of at least half the source, with the proportions of ``size``, brought to that size."""
    scale = min(source.width / size[0], source.height / size[1]) * dice.uniform(0.5, 1.0)
    width, height = size[0] * scale, size[1] * scale
    left, top = dice.uniform(0, source.width - width), dice.uniform(0, source.height - height)
    return source.resize(size, Image.Resampling.LANCZOS, (left, top, left + width, top + height))


def with_grain(picture: Image.Image, seed: int) -> Image.Image:
    """Sensor noise, which enlarging and shrinking took away, so that the JPEGs weigh what photographs weigh."""
    pixels = np.asarray(picture, dtype=np.int16)
    noise = np.random.default_rng(seed).integers(-GRAIN, GRAIN + 1, pixels.shape, dtype=np.int16)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def jpeg_of_about(picture: Image.Image, wanted_bytes: int) -> bytes:
    """The JPEG, among a few qualities, whose size comes nearest."""
    encodings = []
    for quality in QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        encodings.append(buffer.getvalue())
        if len(encodings[-1]) >= wanted_bytes:
            break
    return min(encodings, key=lambda data: abs(len(data) - wanted_bytes))


def upright(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return ImageOps.exif_transpose(picture).convert("RGB")


def source_files() -> list[Path]:
    found = [package_file("skimage", f"data/{name}.*") for name in SKIMAGE_PHOTOS.split()]
    found += [package_file("sklearn", f"datasets/images/{name}.jpg") for name in ("china", "flower")]
    for folder in ("large", "pixabay", "clothing"):
        found += sorted((BESIDE / folder).glob("*.jpg"))
    return [path for path in found if path is not None]


def package_file(package: str, pattern: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob(pattern))), None)

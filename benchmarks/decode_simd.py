"""Decoding and preparing pictures with the Pillow that is installed: run it under Pillow and under Pillow-SIMD.

``make setup SIMD=1`` puts Pillow-SIMD in Pillow's place, ``make setup SIMD=0`` puts Pillow back; each leaves a result
of its own. The last two rows of each size are Pillow alone: decoding in full, and resizing what was decoded.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import PIL
from PIL import Image

from benchmarks.photo_sets import PhotoSet
from benchmarks.report import Report, median
from deployments.extractor import ImageInput
from deployments.pictures.images import decode
from deployments.pictures.prepared import prepare

Picture = TypeVar("Picture", bytes, Image.Image)  # encoded or decoded

FORMS = {
    "96 x 96 gray (phash)": ImageInput("gray", (96, 96)),
    "224 x 224 RGB (a vision model)": ImageInput("rgb", (224, 224)),
}
SETS = {
    "500 px": PhotoSet("decode-small", 40, 500, 107_000, seed=3),
    "12 MP": PhotoSet("decode-large", 6, 4000, 4_500_000, seed=3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    variant = "pillow-simd" if is_simd() else "pillow"
    report = Report(f"decode_simd-{variant}", f"Decoding and preparing with {variant} {PIL.__version__}")
    rows: list[Sequence[object]] = []
    for title, photos in SETS.items():
        pictures = [file.read_bytes() for file in photos.files()]
        for step, work in steps().items():
            rows.append((f"{title}: {step}", milliseconds(work, pictures, rounds)))
        decoded = [full_decode(data) for data in pictures]
        rows.append((f"{title}: Pillow alone, resize to 224 x 224 RGB", milliseconds(resized, decoded, rounds)))
    report.table(("medians", "ms a picture"), rows)
    report.write()


def is_simd() -> bool:
    return ".post" in PIL.__version__


def steps() -> dict[str, Callable[[bytes], object]]:
    found: dict[str, Callable[[bytes], object]] = {"to the working image": decode}
    for title, form in FORMS.items():
        found[f"to {title}"] = partial(prepared, form)
    found["Pillow alone, full decode"] = full_decode
    return found


def prepared(form: ImageInput, data: bytes) -> object:
    return prepare(decode(data), form)


def full_decode(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def resized(picture: Image.Image) -> object:
    return np.asarray(picture.resize((224, 224), Image.Resampling.LANCZOS))


def milliseconds(work: Callable[[Picture], object], pictures: Sequence[Picture], rounds: int) -> float:
    """Median over the rounds of the mean over the pictures."""
    work(pictures[0])
    means = []
    for _ in range(rounds):
        started = time.perf_counter()
        for picture in pictures:
            work(picture)
        means.append((time.perf_counter() - started) / len(pictures) * 1000)
    return median(means)


if __name__ == "__main__":
    main()

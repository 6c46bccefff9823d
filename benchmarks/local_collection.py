"""Pictures to measure local features with: originals whose edits are searched, others that they hide among, and
strangers of which the collection has no part.

The others are whole photographs and quarters of them. Strangers come from a set of photographs of their own, because
those of one photographer share floors, walls and tables, which the keypoints rightly recognise.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import cv2
from PIL import Image

from benchmarks.photo_sets import BESIDE, source_files, upright
from deployments.extractors.local import Local
from deployments.pictures.images import decode
from deployments.pictures.pixel_kernels import luma
from graph.jobs.evaluating.edits import EDITS, Copy, Homography, cropped, pasted_into
from storage.types.features import FeatureRows

PASTE = "pasted at half size"
STRANGER_PARTS = (1.0, 0.7, 0.5, 0.35, 0.25)  # of the area
SCENES = 8  # photographs that originals are pasted into; not in the collection
Part = Literal["whole", "top left", "top right", "bottom left", "bottom right"]
PARTS: tuple[Part, ...] = ("whole", "top left", "top right", "bottom left", "bottom right")


@dataclass(frozen=True, slots=True)
class Picture:
    """A photograph or a quarter of it."""

    path: Path
    part: Part = "whole"

    @property
    def id(self) -> str:
        return f"{self.path.name} {self.part}"

    def jpeg(self) -> bytes:
        """The file as it is, or the quarter at a high quality."""
        if self.part == "whole":
            return self.path.read_bytes()
        whole = upright(self.path)
        left = whole.width // 2 if "right" in self.part else 0
        top = whole.height // 2 if "bottom" in self.part else 0
        buffer = io.BytesIO()
        whole.crop((left, top, left + whole.width // 2, top + whole.height // 2)).save(buffer, "JPEG", quality=95)
        return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Question:
    """A copy to search with. original: None for a stranger."""

    edit: str
    path: Path
    original: Picture | None
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A question in keypoints. size: of the copy, source_size: of the original; (width, height), pixels. copy: its
    bytes.
    """

    question: Question
    feature: FeatureRows
    homography: Homography
    size: tuple[int, int]
    source_size: tuple[int, int]
    copy: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    picture: Picture
    feature: FeatureRows
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Collection:
    originals: tuple[Picture, ...]
    others: tuple[Picture, ...]
    questions: tuple[Question, ...]

    @classmethod
    def chosen(cls, seed: int, originals: int, others: int) -> Collection:
        """Seeded. Fewer others where there are not enough photographs."""
        dice = random.Random(seed)
        files = source_files()[SCENES:]
        dice.shuffle(files)
        chosen = tuple(Picture(path) for path in files[:originals])
        rest = [Picture(path, part) for path in files[originals:] for part in PARTS]
        dice.shuffle(rest)
        asked = [Question(edit, original.path, original, seed) for original in chosen for edit in (*EDITS, PASTE)] + [
            Question(f"{area}", path, None, seed) for path in stranger_files() for area in STRANGER_PARTS
        ]
        return cls(chosen, tuple(rest[:others]), tuple(asked))


def stranger_files() -> list[Path]:
    return sorted((BESIDE / "grocery").glob("*/*.jpg"))


def extracted(pictures: Sequence[Picture], processes: int) -> Iterator[Stored]:
    with get_context("spawn").Pool(processes, _start) as pool:
        yield from pool.imap(_store, pictures, chunksize=8)


def asked(questions: Sequence[Question], processes: int) -> Iterator[Asked]:
    with get_context("spawn").Pool(processes, _start) as pool:
        yield from pool.imap(_ask, questions, chunksize=8)


_extractors: list[Local] = []  # one a process
_scenes: list[Image.Image] = []


def _start() -> None:
    cv2.setNumThreads(1)
    _extractors.append(Local())
    _scenes.extend(upright(path) for path in source_files()[:SCENES])


def _store(picture: Picture) -> Stored:
    image = decode(picture.jpeg())
    [feature] = _extractors[0].extract([luma(image.pixels)])
    return Stored(picture, feature, (image.width, image.height))


def _ask(question: Question) -> Asked:
    source = upright(question.path)
    copy = edited(question, source)
    data = copy.jpeg()
    image = decode(data)
    [feature] = _extractors[0].query_views([luma(image.pixels)], {})
    return Asked(question, feature, copy.homography, (image.width, image.height), source.size, data)


def edited(question: Question, source: Image.Image) -> Copy:
    dice = random.Random(f"{question.seed} {question.edit} {question.path.name}")
    if question.original is None:
        return cropped(float(question.edit))(source, dice)
    return (EDITS[question.edit] if question.edit in EDITS else pasted_into(_scenes))(source, dice)

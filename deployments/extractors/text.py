"""Words that are written in a picture: signs, book covers, slides, screenshots.

Lines of text are found and read by the networks of PP-OCRv6 (Latin, Greek, Chinese, Japanese), lines in other scripts
by Tesseract where the configuration names their languages (`deployments.ocr`). Each word is a row, as it is written; a
picture without words has none. A text to search with is split into words by the same rules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from deployments.extractor import ExtractorConfig, ImageInput, Pixels
from deployments.ocr.bundled_models import file_digest, file_mark, model_files, usable_cores
from deployments.ocr.picture_reader import PictureReader, picture_reader
from deployments.ocr.tesseract import language_files
from deployments.ocr.word_splitting import split_words
from deployments.pictures.images import DECODE_VERSION
from storage.types.features import FeatureKind, FeatureRows, FeatureSpec, Vectors
from storage.words.word_rows import WORD_BYTES, encode_words

METHOD_VERSION = "1"

Language = Annotated[str, Field(pattern=r"^[A-Za-z_]{2,32}$")]


class Config(ExtractorConfig):
    languages: tuple[Language, ...] = Field(
        (), description="Tesseract's names of languages in other scripts than Latin, Greek, Chinese and Japanese"
    )
    tessdata: str | None = Field(None, description="folder of Tesseract's trained data; None: where systems put it")
    detector_side_px: int = Field(736, ge=320, le=1024, description="long side at which lines of text are looked for")
    min_confidence: float = Field(0.5, ge=0, le=1, description="words that are read with less are left out")
    max_lines: int = Field(100, ge=1, le=1000, description="most lines read of a picture, the largest first")


class Text:
    kind: FeatureKind = "words"
    cpu_only = True

    def __init__(self, config: Config | None = None) -> None:
        """Raises `ExtractorUnavailable` where a package or the data of a language are missing."""
        self.config = config or Config.model_validate({})
        languages = _language_files(self.config)
        self.image_input = ImageInput("rgb")
        self.spec = FeatureSpec("text", "words", WORD_BYTES, "words", _fingerprint(self.config, languages))
        self._make = partial(
            picture_reader,
            long_side_px=self.config.detector_side_px,
            most_lines=self.config.max_lines,
            least_confidence=self.config.min_confidence,
            languages=languages,
        )
        cores = usable_cores()
        self._of_all = self._make(threads=cores)
        self._of_one: PictureReader | None = self._of_all if cores == 1 else None  # made with the first batch
        self._making = Lock()
        self._pool = ThreadPoolExecutor(cores, thread_name_prefix="text")

    @staticmethod
    def weights_mark(config: Config) -> str:
        return "\n".join(map(file_mark, [*model_files(), *_language_files(config)]))

    def extract(self, images: Sequence[Pixels]) -> list[FeatureRows]:
        """rows: (R, 64), a word each, of (H, W, 3) pictures. extras: ``boxes`` (R, 4, 2) float32, corners in pixels of
        ``frame``, clockwise from the top left of the word; ``frame`` (2,) int64, width and height of the picture;
        ``confidence`` (R,) float32, 0 to 1; ``line`` (R,) int32, the line that the word stands in, from 0.

        One picture has all cores; a batch is several at once, a core each.
        """
        if len(images) <= 1:
            return [_rows(self._of_all, image) for image in images]
        with self._making:
            self._of_one = self._of_one or self._make(threads=1)
        return list(self._pool.map(partial(_rows, self._of_one), images))

    def embed_texts(self, texts: Sequence[str]) -> list[FeatureRows]:
        """rows: (R, 64), a word of the text each, in its order; none of a text without words."""
        return [FeatureRows(encode_words([word.text for word in split_words(text)])) for text in texts]

    def distance(self, a: Vectors, b: Vectors) -> float:
        """0 of the same word, 1 of another."""
        return 0.0 if np.array_equal(a, b) else 1.0


def _rows(reader: PictureReader, image: Pixels) -> FeatureRows:
    found = list(reader.words(image))
    words = [word for _, word in found]
    extras: dict[str, NDArray[Any]] = {
        "boxes": np.array([word.box for word in words], np.float32).reshape(-1, 4, 2),
        "frame": np.array([image.shape[1], image.shape[0]], np.int64),
        "confidence": np.array([word.confidence for word in words], np.float32),
        "line": np.array([line for line, _ in found], np.int32),
    }
    return FeatureRows(encode_words([word.text for word in words]), extras=extras)


def _language_files(config: Config) -> list[Path]:
    return language_files(config.languages, config.tessdata) if config.languages else []


def _fingerprint(config: Config, languages: Sequence[Path]) -> str:
    """Of the models and of every setting that changes what is read."""
    files = [file_digest(path) for path in (*model_files(), *languages)]
    settings = [config.detector_side_px, config.min_confidence, config.max_lines]
    digest = hashlib.sha256(repr((files, settings)).encode()).hexdigest()[:16]
    return f"text-{METHOD_VERSION}/decode-{DECODE_VERSION}/{digest}"

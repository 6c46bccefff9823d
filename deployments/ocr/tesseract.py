"""Lines in scripts that the bundled network does not know, read by Tesseract (Smith 2007; its LSTM since version 4).

``tesserocr`` carries Tesseract in its wheel; the trained data of a language come from the packages of the operating
system, or from wherever the configuration says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from deployments.extractor import Pixels
from deployments.ocr.bundled_models import INSTALL, optional_module
from deployments.ocr.text_line import NOTHING_READ, Reading
from storage.errors import ExtractorUnavailable

FOLDERS = (  # of the trained data in Debian and Ubuntu, Fedora and Arch, openSUSE, Homebrew
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tesseract/tessdata",
    "/usr/share/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)
HEIGHT = 36  # pixels of a line
SURE = 0.8  # confidence from which a line is not looked at again
MARGIN = 8  # pixels, of the same colours
COLORS = 5
ROUNDS = 15  # of k-means
ANOTHER_COLOR = 70.0  # of 255, distance from which a pixel counts as white


def language_files(languages: Sequence[str], folder: str | None = None) -> list[Path]:
    """The trained data of every language, all in one folder: ``folder``, or the first that has them.

    Raises `ExtractorUnavailable` with the command that installs what is missing.
    """
    if find_spec("tesserocr") is None:
        raise ExtractorUnavailable("the languages of text need the package 'tesserocr'", INSTALL)
    folders = [Path(folder).expanduser()] if folder else [Path(name) for name in FOLDERS]
    wanted = [[place / f"{language}.traineddata" for language in languages] for place in folders]
    missing = [[path for path in paths if not path.is_file()] for paths in wanted]
    best = min(range(len(folders)), key=lambda place: len(missing[place]))
    if not missing[best]:
        return wanted[best]
    names = [path.stem for path in missing[best]]
    packages = " ".join(f"tesseract-ocr-{name.replace('_', '-')}" for name in names)
    copy = f"copy {', '.join(f'{name}.traineddata' for name in names)} into {folders[best]}"
    hint = copy if folder else f"on Debian and Ubuntu: apt install {packages}; elsewhere {copy}"
    raise ExtractorUnavailable(f"the trained data of Tesseract for {', '.join(names)} are not on this machine", hint)


class Tesseract:
    """Reads single lines. Thread-safe: each thread borrows an engine of its own."""

    def __init__(self, files: Sequence[Path]) -> None:
        """files: of `language_files`. Raises `ExtractorUnavailable` where they are damaged."""
        self._module = optional_module("tesserocr")
        self._folder = str(files[0].parent)
        self._languages = "+".join(path.stem for path in files)
        self._idle: deque[Any] = deque([self._engine()])

    def __call__(self, line: Pixels) -> Reading:
        """line: (H, W, 3) RGB, upright."""
        try:
            engine = self._idle.pop()
        except IndexError:
            engine = self._engine()
        try:
            return self._read(engine, line)
        finally:
            self._idle.append(engine)

    def _engine(self) -> Any:
        module = self._module
        try:
            return module.PyTessBaseAPI(
                path=self._folder, lang=self._languages, psm=module.PSM.SINGLE_LINE, oem=module.OEM.LSTM_ONLY
            )
        except RuntimeError as error:
            message = f"the trained data of {self._languages} in {self._folder} are damaged, or another version's"
            raise ExtractorUnavailable(message, "install them again") from error

    def _read(self, engine: Any, line: Pixels) -> Reading:
        """As it is, and where that is not read with certainty, by each of the colours that its letters may have."""
        width = max(round(line.shape[1] * HEIGHT / line.shape[0]), 1)
        how = cv2.INTER_AREA if line.shape[0] > HEIGHT else cv2.INTER_CUBIC
        resized = np.asarray(cv2.resize(line, (width, HEIGHT), interpolation=how), np.uint8)
        shape = width / HEIGHT
        best = self._read_once(engine, resized)
        if best.confidence_over(shape) < SURE:
            readings = [best, *(self._read_once(engine, letters) for letters in _inks(resized))]
            best = max(readings, key=lambda reading: reading.confidence_over(shape))
        return best

    def _read_once(self, engine: Any, line: Pixels) -> Reading:
        framed = cv2.copyMakeBorder(line, MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_REPLICATE)
        engine.SetImage(Image.fromarray(framed))
        engine.Recognize()
        return self._reading(engine.GetIterator(), line.shape[1])

    def _reading(self, symbols: Any, width: int) -> Reading:
        text, spans, confidences = "", [], []
        symbol, word = self._module.RIL.SYMBOL, self._module.RIL.WORD
        for at in self._module.iterate_level(symbols, symbol) if symbols is not None else ():
            box = at.BoundingBox(symbol)
            if box is None:  # there is nothing at all
                continue
            characters = at.GetUTF8Text(symbol)
            if text and at.IsAtBeginningOf(word):
                characters = " " + characters
            text += characters
            spans += [((box[0] - MARGIN) / width, (box[2] - MARGIN) / width)] * len(characters)
            confidences += [at.Confidence(word) / 100] * len(characters)
        if not text:
            return NOTHING_READ
        return Reading(text, np.clip(np.array(spans, np.float32), 0, 1), np.array(confidences, np.float32))


def _inks(line: Pixels) -> Iterator[Pixels]:
    """For each of the main colours of an (H, W, 3) line, what has it in black on white: (H, W). The same every time.

    Tesseract reads black on white, and makes that of a gray line by one threshold, which over a photograph leaves no
    letters. But letters are of one colour, and that is among the few that the line's middle can be sorted into.
    """
    colors = line.astype(np.float32)
    height = len(line)
    middle = colors[height // 5 : height - height // 5].reshape(-1, 3)
    if len(middle) < COLORS:
        return
    cv2.setRNGSeed(0)  # of this thread
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, ROUNDS, 1.0)
    labels = np.zeros((len(middle), 1), np.int32)
    _, _, main = cv2.kmeans(middle, COLORS, labels, stop, 1, cv2.KMEANS_PP_CENTERS)
    for color in main:
        distance = np.linalg.norm(colors - color, axis=2)
        yield np.clip(distance * (255 / ANOTHER_COLOR), 0, 255).astype(np.uint8)

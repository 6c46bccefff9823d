"""How many of the words in a picture `text` finds, and what a picture costs: ``python -m benchmarks.words``.

Recall is the share of the words written that are among those found, accents and capitals aside, as a search sees them;
others are words found that are not written. Costs are those of one picture at a time, and of batches, a core each.
"""

from __future__ import annotations

import argparse
import time
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.rendered_words import (
    CHINESE_FONT,
    CHINESE_GROUP,
    GROUPS,
    RenderedPicture,
    photographed_page,
    photographs,
    rendered,
)
from benchmarks.report import Report, median
from deployments.extractor import Extractor, Pixels
from deployments.extractors.registry import create_extractor
from deployments.ocr.word_splitting import split_words
from storage.errors import ExtractorUnavailable
from storage.words.word_rows import decode_words

LANGUAGES = ("rus",)
WITHOUT_WORDS = 13
SIDES = (512, 640, 736, 896, 1024)


@dataclass(frozen=True, slots=True)
class Recall:
    """written, found: words. others: that were found but are not written. ms: of a picture, the median."""

    written: int
    found: int
    others: int
    ms: float

    @property
    def share(self) -> float:
        return self.found / self.written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", action="store_true", help="also the recall and the cost of every detector size")
    given = parser.parse_args()
    report = Report("words", "text: words found, and what a picture costs")
    extractor = create_extractor("text")
    others = other_scripts()
    groups = [*GROUPS, *([CHINESE_GROUP] if CHINESE_FONT.is_file() else [])]
    pictures = {group.name: list(rendered(group)) for group in groups}
    pictures["photographed page"] = [photographed_page()]
    report_recall(report, extractor, others, pictures)
    report_costs(report, extractor, [picture.pixels for picture in pictures["clean"]])
    if given.sides:
        report_sides(report, {name: pictures[name] for name in ("clean", "over photos", "small, 11 px", "small, 9 px")})
    report.write()


def other_scripts() -> Extractor | None:
    """The extractor with `LANGUAGES`; None where their data are not installed."""
    try:
        return create_extractor("text", {"languages": LANGUAGES})
    except ExtractorUnavailable:
        return None


def recall_of(extractor: Extractor, pictures: Sequence[RenderedPicture]) -> Recall:
    written = found = others = 0
    took = []
    for picture in pictures:
        started = time.perf_counter()
        [features] = extractor.extract([picture.pixels])
        took.append((time.perf_counter() - started) * 1e3)
        wanted = [folded(word.text) for text in picture.words for word in split_words(text)]
        read = [folded(word) for word in decode_words(features.rows)]
        written += len(wanted)
        found += sum(word in set(read) for word in wanted)
        others += sum(word not in set(wanted) for word in read)
    return Recall(written, found, others, median(took))


def folded(word: str) -> str:
    parts = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


def report_recall(
    report: Report, extractor: Extractor, others: Extractor | None, pictures: dict[str, list[RenderedPicture]]
) -> None:
    rows: list[Sequence[object]] = []
    for name, own in pictures.items():
        by_default = recall_of(extractor, own)
        row: list[object] = [
            name, len(own), by_default.written, f"{by_default.share:.3f}", by_default.others, f"{by_default.ms:.0f}"
        ]  # fmt: skip
        if others is not None:
            with_others = recall_of(others, own)
            row += [f"{with_others.share:.3f}", with_others.others, f"{with_others.ms:.0f}"]
        rows.append(row)
    languages = f"languages: [{', '.join(LANGUAGES)}]"
    header = ["group", "pictures", "words", "recall", "others", "ms"]
    report.table(header if others is None else [*header, languages, "others", "ms"], rows)
    if others is None:
        report.line(f"{languages}: no data of Tesseract here")


def report_costs(report: Report, extractor: Extractor, with_words: Sequence[Pixels]) -> None:
    """Of working images of 1024 x 768 pixels."""
    rows = []
    for name, pictures in (("photographs without words", photographs(WITHOUT_WORDS)), ("with 14 words", with_words)):
        alone = [milliseconds(extractor, [picture]) for picture in pictures]
        together = milliseconds(extractor, pictures) / len(pictures)
        count = np.mean([len(features.rows) for features in extractor.extract(pictures)])
        rows.append([name, f"{count:.1f}", f"{median(alone):.0f}", f"{together:.0f}"])
    report.table(["pictures of 1024 x 768", "words found", "ms alone", "ms in a batch"], rows)


def report_sides(report: Report, pictures: dict[str, list[RenderedPicture]]) -> None:
    plain = photographs(WITHOUT_WORDS)
    rows = []
    for side in SIDES:
        extractor = create_extractor("text", {"detector_side_px": side})
        shares = [f"{recall_of(extractor, own).share:.3f}" for own in pictures.values()]
        ms = median([milliseconds(extractor, [picture]) for picture in plain])
        rows.append([side, *shares, f"{ms:.0f}"])
    report.table(["detector_side_px", *pictures, "ms without words"], rows)


def milliseconds(extractor: Extractor, pictures: Iterable[Pixels]) -> float:
    started = time.perf_counter()
    extractor.extract(list(pictures))
    return (time.perf_counter() - started) * 1e3


if __name__ == "__main__":
    main()

"""How often `global` finds the right thing, as it is, whitened, and with query expansion; and whether mild edits of a
photo still find it.

Groceries: 200 photos of 20 things, each asked for in turn among the others. Edits: of clothes, searched for among all
of them. The model, MobileNetV2, and the photos lie beside the checkout; without them there is nothing to measure.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.photo_sets import BESIDE, upright
from benchmarks.report import Report
from deployments.extractor import Extractor
from deployments.extractors.registry import create_extractor
from deployments.pictures.images import decode
from deployments.pictures.prepared import prepare
from graph.jobs.evaluating.edits import EDITS
from graph.search.vector_query import expanded_query
from storage.index.query_expansion import expanded
from storage.index.vector_index import VectorIndex
from storage.index.whitening import SHRINKAGE, WhitenedIndex, train_whitening
from storage.types.features import FloatVectors, Handles
from storage.types.searches import FeatureQuery, Hit
from tests.suites.exact_index import ExactIndex

MODEL = BESIDE.parent / "models" / "mobilenet-v2-imagenet"
COMPONENTS = (16, 32, 64, 128, None)
NEIGHBOURS = (1, 2, 3, 4, 5)
ALPHAS = (1.0, 2.0, 3.0)
MILD = ("jpeg 15", "brightness + contrast", "thumbnail 200 px", "crop 80 %")
HEADER = ("groceries", "nearest right", "precision@5", "mAP")


def main() -> None:
    options = arguments()
    if not (MODEL.is_dir() and BESIDE.is_dir()):
        print(f"nothing measured: it takes {MODEL} and {BESIDE}")
        return
    report = Report("meaning_quality", "What `global` finds: MobileNetV2, plain, whitened, expanded")
    extractor = create_extractor("global", {"model": str(MODEL), "precision": "float"})
    report.line(f"model      {extractor.spec.fingerprint}; shrinkage of the whitening {SHRINKAGE:g}")
    files = sorted((BESIDE / "grocery").glob("*/*"))
    report_groceries(report, vectors(extractor, files), np.array([file.parent.name for file in files]))
    report_edits(report, extractor, sorted((BESIDE / "clothing").glob("*.jpg"))[: options.clothes], options.edited)
    report.write()


def report_groceries(report: Report, rows: FloatVectors, classes: np.ndarray) -> None:
    plain = index_of(rows)
    measured = [("plain", *quality(plain, rows, classes))]
    for components in COMPONENTS:
        name = f"whitened, {components or 'all'} components"
        measured.append((name, *quality(index_of(rows, components), rows, classes)))
    for title, index in (("", plain), ("whitened, ", index_of(rows, None))):
        for neighbours in NEIGHBOURS:
            for alpha in ALPHAS:
                name = f"{title}aqe_n {neighbours}, aqe_alpha {alpha:g}"
                measured.append((name, *quality(index, rows, classes, neighbours, alpha)))
    report.table(HEADER, [(name, *(f"{value:.3f}" for value in values)) for name, *values in measured])


def report_edits(report: Report, extractor: Extractor, files: Sequence[Path], edited: int) -> None:
    rows, dice = vectors(extractor, files), random.Random(1)
    whitened = index_of(rows, None)
    lines = []
    for name in MILD:
        copies = [EDITS[name](upright(file), dice).jpeg() for file in files[:edited]]
        asked = rows_of(extractor, copies)
        firsts = [
            np.mean(index.search(asked, 1).handles[:, 0] == np.arange(edited)) for index in (index_of(rows), whitened)
        ]
        lines.append((name, *(f"{first:.3f}" for first in firsts)))
    report.table((f"{edited} copies among {len(files)} clothes, original first", "plain", "whitened"), lines)


def index_of(rows: FloatVectors, components: int | None = 0) -> VectorIndex:
    """components: of its whitening; 0 for none."""
    handles: Handles = np.arange(len(rows))
    if components == 0:
        return ExactIndex("cosine", handles, rows)
    whitening = train_whitening(rows, components)
    return WhitenedIndex(ExactIndex("cosine", handles, whitening.applied(rows)), whitening)


def quality(
    index: VectorIndex, rows: FloatVectors, classes: np.ndarray, neighbours: int = 0, alpha: float = 3.0
) -> tuple[float, float, float]:
    """How often the nearest is right, precision@5, mean average precision: of every row among the others."""
    right = np.stack([classes[ranking(index, rows, i, neighbours, alpha)] == classes[i] for i in range(len(rows))])
    precision = np.cumsum(right, axis=1) / np.arange(1, right.shape[1] + 1)
    average = (precision * right).sum(axis=1) / right.sum(axis=1)
    return float(right[:, 0].mean()), float(right[:, :5].mean()), float(average.mean())


def ranking(index: VectorIndex, rows: FloatVectors, asked: int, neighbours: int, alpha: float) -> Handles:
    """All others, nearest first, as a search finds them that never had the picture itself."""
    found = index.search(rows[asked : asked + 1], len(rows))
    others = found.handles[0] != asked
    if neighbours == 0:
        return np.asarray(found.handles[0][others])
    first, distances = found.handles[0][others][:neighbours], found.distances[0][others][:neighbours]
    hits = [Hit(str(handle), float(distance)) for handle, distance in zip(first, distances, strict=True)]
    query = FeatureQuery("global", rows[asked : asked + 1], len(rows))
    plain, queries = expanded(
        index, expanded_query(query, hits, [rows[handle : handle + 1] for handle in first], alpha)
    )
    again = plain.search(np.asarray(queries[0].rows, np.float32), len(rows)).handles[0]
    return np.asarray(again[again != asked])


def vectors(extractor: Extractor, files: Sequence[Path]) -> FloatVectors:
    return rows_of(extractor, [file.read_bytes() for file in files])


def rows_of(extractor: Extractor, pictures: Sequence[bytes]) -> FloatVectors:
    """(N, D) of JPEGs, decoded and prepared as the service does it."""
    forms = [prepare(decode(picture), extractor.image_input) for picture in pictures]
    return np.concatenate([np.asarray(found.rows, np.float32) for found in extractor.extract(forms)])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clothes", type=int, default=300)
    parser.add_argument("--edited", type=int, default=40, help="of the clothes, for each edit")
    return parser.parse_args()


if __name__ == "__main__":
    main()

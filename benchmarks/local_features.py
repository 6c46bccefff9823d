"""What local features find, how sure they are, and what they cost: ``python -m benchmarks.local_features``.

Edited copies of originals are searched among other pictures, in one shard of this process; strangers say how often
something is found that is not there. Extraction is timed beside OpenCV's SIFT on the same pictures, in turns.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np

from benchmarks.local_collection import PASTE, Asked, Collection, Stored, asked, extracted
from benchmarks.photo_sets import BESIDE
from benchmarks.report import Report, median
from deployments.extractor import Pixels
from deployments.extractors.local import DIM, Local
from deployments.keypoints.scale_space import enlargement_of
from deployments.pictures.images import WorkingImage, decode
from deployments.pictures.pixel_kernels import luma
from graph.jobs.evaluating.edits import EDITS
from storage.index.inverted_file import NO_HANDLES, empty_descriptor_index
from storage.keypoints.keypoint_rows import sides
from storage.keypoints.plane_maps import Floats, transformed
from storage.keypoints.search import MIN_INLIERS, NEIGHBORS, Located, locate
from storage.operations.indexes import Train
from storage.operations.reports import Stats
from storage.shard.plan import ShardPlan, ShardSettings
from storage.shard.shard import Shard
from storage.types.features import FeatureRows
from storage.types.mutations import PutImage
from storage.types.pictures import ImageRecord
from storage.types.searches import FeatureQuery, Hit, ShardQuery
from tests.unit.storage.samples import applied, index_of

BARS = {
    "jpeg 15": 1.0, "gray": 1.0, "brightness + contrast": 1.0, "overlay text": 1.0, "border": 1.0, "blur": 0.98,
    "thumbnail 200 px": 0.98, "rotate 5": 0.98, "rotate 90": 0.98, "rotate 180": 0.98, "crop 80 %": 1.0,
    "crop 50 %": 0.99, "crop 25 %": 0.97, "crop 10 %": 0.85, "crop 50 % + jpeg 20": 0.99, "mirror": 0.98,
    "crop 50 % + mirror": 0.95, PASTE: 0.95,
}  # fmt: skip
CROPS = ("crop 80 %", "crop 50 %", "crop 25 %", "crop 10 %", "crop 50 % + jpeg 20", "crop 50 % + mirror")
FRAME = 1024  # pixels of the long side that corner errors are told in
PROCESSES = 2
TIMED = 60  # pictures
VIEWS = BESIDE / "geometry"
HALF_PIXEL = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])  # middles of pixels at whole numbers to edges there


@dataclass(frozen=True, slots=True)
class Outcome:
    """inliers: of the original, 0 where it was not found. wrong: most inliers of another picture."""

    edit: str
    rank: int | None
    inliers: int
    wrong: int
    corner_error: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--originals", type=int, default=60)
    parser.add_argument("--others", type=int, default=1000)
    given = parser.parse_args()
    report = Report("local_features", "Local features: what they find and what they cost")
    collection = Collection.chosen(given.seed, given.originals, given.others)
    with tempfile.TemporaryDirectory() as folder:
        shard = Shard.open(ShardPlan(folder, 0, 1, ShardSettings((Local().spec,))))
        stored = list(extracted([*collection.originals, *collection.others], PROCESSES))
        _fill(shard, stored)
        trained = shard.ask(Train("local"))
        report.line(
            f"collection {len(collection.originals)} originals among {len(collection.others)} other pictures, seed "
            f"{given.seed}; {trained.rows} keypoints in {trained.lists} lists"
        )
        questions = list(asked(collection.questions, PROCESSES))
        _tell_recall(report, shard, [one for one in questions if one.question.original is not None])
        _tell_strangers(report, shard, [one for one in questions if one.question.original is None])
        _tell_views(report)
        _tell_extraction(report, collection)
        _tell_search(report, shard, [one for one in questions if one.question.edit in CROPS][:TIMED])
        shard.close()
    report.write()


def _fill(shard: Shard, stored: Sequence[Stored]) -> None:
    for one in stored:
        record = ImageRecord(one.picture.id, *one.size, "0" * 64, "jpeg", 1, 0.0, {"local": "ok"})
        applied(shard, [PutImage(one.picture.id, record, {"local": one.feature}, b"-")])


def _search(shard: Shard, one: Asked, *, mirror: bool = True) -> Sequence[Hit]:
    params = {"min_inliers": 4, "mirror": mirror}
    query = FeatureQuery("local", one.feature.rows, 10, None, params, one.feature.extras)
    [answer] = shard.search([ShardQuery((query,))])
    return answer.hits["local"]


def _outcome(shard: Shard, one: Asked) -> Outcome:
    assert one.question.original is not None
    hits = _search(shard, one)
    wanted = one.question.original.id
    rank = next((place for place, hit in enumerate(hits, start=1) if hit.id == wanted), None)
    wrong = max((int(hit.distance) for hit in hits if hit.id != wanted), default=0)
    if rank is None:
        return Outcome(one.question.edit, None, 0, wrong, float("inf"))
    hit = hits[rank - 1]
    return Outcome(one.question.edit, rank, int(hit.distance), wrong, _corner_error(one, hit))


def _corner_error(one: Asked, hit: Hit) -> float:
    """The largest error of a corner of the copy, in the original at a long side of 1024 pixels. Of a pasted original
    its own corners, because those of the scene lie far outside of it.
    """
    _, width, height = hit.evidence["query_frame"]
    to_copy: Floats = np.diag([one.size[0] / width, one.size[1] / height, 1.0])
    homography: Floats = to_copy @ np.array(hit.evidence["homography"], np.float64)
    true: Floats = HALF_PIXEL @ one.homography @ np.linalg.inv(HALF_PIXEL)
    sides_of = one.source_size if one.question.edit == PASTE else one.size
    corners = np.array([[0, 0], [sides_of[0], 0], list(sides_of), [0, sides_of[1]]], np.float64)
    if one.question.edit == PASTE:
        corners = transformed(true, corners)
    found, wanted = (transformed(np.asarray(np.linalg.inv(map_), np.float64), corners) for map_ in (homography, true))
    return float(np.linalg.norm(np.subtract(found, wanted), axis=1).max()) * FRAME / max(one.source_size)


def _tell_recall(report: Report, shard: Shard, questions: Sequence[Asked]) -> None:
    outcomes = [_outcome(shard, one) for one in questions]
    rows = []
    for edit in (*EDITS, PASTE):
        own = [one for one in outcomes if one.edit == edit]
        within = 2 if edit == PASTE else 1  # the scene that it is pasted into would be first
        found = [one.rank is not None and one.rank <= within for one in own]
        counted = [hit and one.inliers >= MIN_INLIERS for hit, one in zip(found, own, strict=True)]
        inliers = [one.inliers for one in own]
        corners = [one.corner_error <= 3 for one in own]
        rows.append([
            edit, len(own), f"{np.mean(found):.3f}", f"{np.mean(counted):.3f}", f"{BARS[edit]:.2f}",
            f"{np.percentile(inliers, 10):.0f}", f"{median(inliers):.0f}", f"{np.mean(corners):.2f}",
        ])  # fmt: skip
    report.table(
        ["edit", "n", "recall", f"at {MIN_INLIERS} inliers", "bar", "inliers p10", "p50", "corners <= 3 px"], rows
    )
    crops = [one.corner_error for one in outcomes if one.edit in CROPS and one.inliers >= MIN_INLIERS]
    report.line()
    report.line(
        f"corner error of the crops found, px at {FRAME}: p50 {np.percentile(crops, 50):.2f}, "
        f"p95 {np.percentile(crops, 95):.2f}; within 3 px {np.mean(np.array(crops) <= 3):.3f}"
    )


def _tell_strangers(report: Report, shard: Shard, questions: Sequence[Asked]) -> None:
    if not questions:
        return
    most = [max((int(hit.distance) for hit in _search(shard, one)), default=0) for one in questions]
    report.line()
    report.line(f"{len(most)} pictures with no counterpart: how many have a wrong answer with at least so many inliers")
    report.table(
        ["inliers", *(str(count) for count in range(4, 13))],
        [["queries", *(sum(value >= count for value in most) for count in range(4, 13))]],
    )
    report.line(f"answers at min_inliers = {MIN_INLIERS}: {sum(value >= MIN_INLIERS for value in most)}")


def _tell_views(report: Report) -> None:
    """The given homographies of two scenes beside those found, over a grid of points that both views show."""
    rows = []
    extractor = Local()
    for folder in sorted(path for path in VIEWS.glob("*") if path.is_dir()):
        first, *others = (decode((folder / f"{number}.jpg").read_bytes()) for number in range(1, 7))
        [stored] = extractor.extract([luma(first.pixels)])
        index = empty_descriptor_index(DIM).with_changes(
            remove=NO_HANDLES, add=np.zeros(len(stored.rows), np.int64), rows=stored.rows
        )
        for number, other in enumerate(others, start=2):
            [query] = extractor.query_views([luma(other.pixels)], {})
            found = locate(index, FeatureQuery("local", query.rows, 1, None, {}, query.extras), partial(_same, stored))
            true = np.loadtxt(folder / f"H_1_{number}")
            error = _view_error(found[0], true, first, other) if found else float("nan")
            rows.append([f"{folder.name} 1 to {number}", found[0].inliers if found else 0, error])
    if rows:
        report.table(["views of one scene", "inliers", "reprojection error, px (median)"], rows)


def _same(feature: FeatureRows, handle: int) -> FeatureRows:
    """Of a collection of one picture."""
    return feature


def _view_error(found: Located, true: Floats, first: WorkingImage, other: WorkingImage) -> float:
    """Pixels of the second picture."""
    grid = np.stack(np.meshgrid(np.linspace(0, first.width, 30), np.linspace(0, first.height, 30)), -1).reshape(-1, 2)
    wanted = transformed(HALF_PIXEL @ true @ np.linalg.inv(HALF_PIXEL), grid)
    seen = ((wanted > 0) & (wanted < [other.width, other.height])).all(axis=1)
    (frame_width, frame_height), (width, height) = found.stored_size, found.side.size
    to_frame = np.diag([frame_width / first.width, frame_height / first.height, 1.0])
    to_picture = np.diag([other.width / width, other.height / height, 1.0])
    off = transformed(to_picture @ found.homography @ to_frame, grid[seen]) - wanted[seen]
    return float(np.median(np.linalg.norm(off, axis=1)))


def _tell_extraction(report: Report, collection: Collection) -> None:
    """Alternating, on one thread each; apart for pictures that are doubled first and for those that are not."""
    cv2.setNumThreads(1)
    extractor = Local()
    pictures = [*collection.originals, *collection.others]
    grays = [luma(decode(picture.jpeg()).pixels) for picture in pictures[: 4 * TIMED]]
    baseline = cv2.SIFT.create(nfeatures=extractor.config.keypoints)
    ways: dict[str, Callable[[Pixels], object]] = {
        "OpenCV detectAndCompute, 200 keypoints": lambda gray: baseline.detectAndCompute(gray, None),
        "stored picture, 200 keypoints": lambda gray: extractor.extract([gray]),
        "query, 500 keypoints and their mirror image": lambda gray: extractor.query_views([gray], {}),
    }
    for doubled in (True, False):
        own = [gray for gray in grays if (enlargement_of(gray) > 1) == doubled][:TIMED]
        times: dict[str, list[float]] = {name: [] for name in ways}
        for gray in [own[0], *own]:
            for name, way in ways.items():
                times[name].append(_ms(way, gray))
        megapixels = median([gray.size / 1e6 for gray in own])
        report.line()
        report.line(
            f"extraction, {len(own)} working images of {megapixels:.2f} MP (median) that "
            f"{'are doubled first' if doubled else 'are not doubled'}"
        )
        base = times[next(iter(ways))][1:]
        rows = []
        for name in ways:
            ratios = [mine / its for mine, its in zip(times[name][1:], base, strict=True)]
            rows.append([name, median(times[name][1:]), median(ratios)])
        report.table(["one thread", "ms", "times OpenCV"], rows)


def _tell_search(report: Report, shard: Shard, questions: Sequence[Asked]) -> None:
    """From the copy's pixels to the hits; each part by itself, and everything with and without the mirrored side."""
    index, extractor = index_of(shard, "local"), Local()
    parts: list[list[float]] = []
    for one in questions:
        gray = luma(decode(one.copy).pixels)
        codes = np.concatenate([side.codes for side in sides(one.feature.rows, one.feature.extras)])
        extraction = _ms(lambda gray: extractor.query_views([gray], {}), gray)
        looking = _ms(lambda codes: index.search(codes, NEIGHBORS + 1), codes)
        both = _ms(lambda one: _search(shard, one), one)
        given = _ms(lambda one: _search(shard, one, mirror=False), one)
        parts.append(
            [extraction, looking, both - looking, extraction + both, (extraction + both) / (extraction + given)]
        )
    extraction, looking, checking, whole, mirrored = (median(list(values)) for values in zip(*parts, strict=True))
    report.line()
    report.line(
        f"a search among {shard.ask(Stats()).images} pictures, {index.rows_count} keypoints, median of {len(parts)} "
        f"copies: extraction {extraction:.0f} ms, index {looking:.0f} ms, geometric check {checking:.0f} ms, "
        f"all {whole:.0f} ms; "
        f"{mirrored:.2f} times what it takes without the mirrored side"
    )
    report.line(f"index {index.memory_bytes / shard.ask(Stats()).images / 1024:.1f} KiB of memory a picture")


def _ms(work: Callable[[Any], object], subject: Any) -> float:
    started = time.perf_counter()
    work(subject)
    return (time.perf_counter() - started) * 1e3


if __name__ == "__main__":
    main()

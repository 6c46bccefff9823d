"""The index of local features at the size of 100,000 pictures: ``python -m benchmarks.local_index``.

The originals and their crops are real. The other pictures are made of real descriptors: each has 200, drawn at random
from those of a thousand photographs and quarters that are not the originals', every number moved by noise of a level
and a half (about half as far as two pictures of one thing are apart), at random places. Nothing is trained on the
crops. Recall of the exact index is at most 1, so the trained one keeps within a hundredth of it where it has 0.99.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.local_collection import Asked, Collection, Question, asked, extracted
from benchmarks.report import Report, median
from deployments.extractors.local import Local
from deployments.pictures.images import decode
from deployments.pictures.pixel_kernels import luma
from storage.index.descriptor_codes import packed, unpacked
from storage.index.inverted_file import NO_HANDLES, DescriptorIndex, empty_descriptor_index
from storage.index.kmeans import sorted_anew, train_partition
from storage.index.vector_index import Allowed, Neighbors
from storage.keypoints.keypoint_rows import keypoint_feature
from storage.keypoints.search import locate
from storage.types.features import FeatureRows, Vectors
from storage.types.searches import FeatureQuery

EDITS = ("crop 80 %", "crop 50 %", "crop 25 %", "crop 10 %", "mirror")
KEYPOINTS = 200
NOISE = 1.5  # levels
FRAME = (1024, 768)
AT_ONCE = 1000  # pictures
PROCESSES = 2
TIMED = 40


class MadeUp:
    """Pictures of noisy real descriptors, the same for the same handle."""

    def __init__(self, pool: NDArray[np.uint8]) -> None:
        """pool: (N, 128) levels."""
        self._pool = pool

    def codes(self, handles: NDArray[np.int64]) -> NDArray[np.uint8]:
        """(200 a handle, 64)."""
        return np.concatenate([self._codes(int(handle)) for handle in handles])

    def feature(self, handle: int) -> FeatureRows:
        rng = np.random.default_rng([handle, 2])
        points = rng.random((KEYPOINTS, 2)) * FRAME
        sigmas, angles = np.exp2(rng.uniform(1, 4, KEYPOINTS)), rng.uniform(0, 2 * np.pi, KEYPOINTS)
        return keypoint_feature(self._codes(handle), points, sigmas, angles, FRAME)

    def _codes(self, handle: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng([handle, 1])
        levels = self._pool[rng.integers(0, len(self._pool), KEYPOINTS)]
        noisy = np.rint(levels + rng.standard_normal(levels.shape, np.float32) * np.float32(NOISE))
        return packed(np.clip(noisy, 0, 15).astype(np.uint8))


class TimedIndex(DescriptorIndex):
    """An index, and how long its searches took."""

    def __init__(self, index: DescriptorIndex) -> None:
        vars(self).update(vars(index))
        self.took_s = 0.0

    def search(self, queries: Vectors, k: int, allowed: Allowed | None = None) -> Neighbors:
        started = time.perf_counter()
        found = super().search(queries, k, allowed)
        self.took_s += time.perf_counter() - started
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    report = Report("local_index", f"The index of local features among {given.pictures:,} pictures")
    collection = Collection.chosen(given.seed, 60, 1000)
    originals = list(extracted(collection.originals, PROCESSES))
    pool = np.concatenate([one.feature.rows for one in extracted(collection.others, PROCESSES)])
    made_up = MadeUp(unpacked(pool).astype(np.uint8))
    features = {number: one.feature for number, one in enumerate(originals)}
    index = _filled(report, made_up, features, given.pictures)
    handles = {one.picture.id: number for number, one in enumerate(originals)}
    questions = [one for one in collection.questions if one.edit in EDITS and one.original is not None]
    answered = list(asked(questions, PROCESSES))

    def feature_of(handle: int) -> FeatureRows:
        return features[handle] if handle in features else made_up.feature(handle)

    rows, wrong = [], 0
    for edit in EDITS:
        own = [one for one in answered if one.question.edit == edit]
        found = [[hit.handle for hit in locate(index, _query(one), feature_of)] for one in own]
        right = [hits[:1] == [_wanted(one, handles)] for one, hits in zip(own, found, strict=True)]
        wrong += sum(bool(hits) and hits[0] not in features for hits in found)
        rows.append([edit, len(own), f"{np.mean(right):.3f}"])
    report.table(["edit", "n", "recall@1"], rows)
    report.line(f"made-up pictures found first: {wrong}")
    _tell_times(report, index, questions, answered, made_up, features)
    report.write()


def _query(one: Asked) -> FeatureQuery:
    return FeatureQuery("local", one.feature.rows, 10, None, {}, one.feature.extras)


def _wanted(one: Asked, handles: dict[str, int]) -> int:
    assert one.question.original is not None
    return handles[one.question.original.id]


def _filled(report: Report, made_up: MadeUp, originals: dict[int, FeatureRows], pictures: int) -> DescriptorIndex:
    """Trained as a shard trains it: at a quarter of the pictures for the last time, then added to."""
    index = empty_descriptor_index(2 * made_up.feature(0).rows.shape[1])
    numbers = np.repeat(np.fromiter(originals, np.int64), [len(one.rows) for one in originals.values()])
    codes = np.concatenate([one.rows for one in originals.values()])
    index = index.with_changes(remove=NO_HANDLES, add=numbers, rows=codes)
    first = len(originals)
    started = time.perf_counter()
    index = _grown(index, made_up, first, pictures // 4)
    partition = train_partition(index)
    trained_s = time.perf_counter() - started
    index = _grown(sorted_anew(index, partition), made_up, pictures // 4, pictures)
    report.line(
        f"{index.rows_count:,} keypoints in {len(partition.centroids)} lists, trained on {partition.rows:,} in "
        f"{trained_s:.0f} s, all in after {time.perf_counter() - started:.0f} s; "
        f"{index.memory_bytes / pictures / 1024:.1f} KiB of memory a picture"
    )
    return index


def _grown(index: DescriptorIndex, made_up: MadeUp, first: int, last: int) -> DescriptorIndex:
    for start in range(first, last, AT_ONCE):
        handles = np.arange(start, min(start + AT_ONCE, last), dtype=np.int64)
        index = index.with_changes(remove=NO_HANDLES, add=np.repeat(handles, KEYPOINTS), rows=made_up.codes(handles))
    return index


def _tell_times(
    report: Report,
    index: DescriptorIndex,
    questions: Sequence[Question],
    answered: Sequence[Asked],
    made_up: MadeUp,
    originals: dict[int, FeatureRows],
) -> None:
    """Candidates' keypoints are made beforehand: in a shard they are read."""
    cv2.setNumThreads(1)
    extractor = Local()
    known: dict[int, FeatureRows] = dict(originals)

    def feature_of(handle: int) -> FeatureRows:
        return known.setdefault(handle, known.get(handle) or made_up.feature(handle))

    parts: list[list[float]] = []
    timed = [(question, one) for question, one in zip(questions, answered, strict=True) if "crop" in question.edit]
    for _, one in timed[:TIMED]:
        query = _query(one)
        locate(index, query, feature_of)
        gray = luma(decode(one.copy).pixels)
        started = time.perf_counter()
        extractor.query_views([gray], {})
        extracted_after = time.perf_counter()
        timed_index = TimedIndex(index)
        locate(timed_index, query, feature_of)
        whole = time.perf_counter() - started
        extraction = extracted_after - started
        parts.append([extraction, timed_index.took_s, whole - extraction - timed_index.took_s, whole])
    medians = [1e3 * median(list(values)) for values in zip(*parts, strict=True)]
    report.line()
    report.line(
        f"a search, median of {len(parts)}: extraction {medians[0]:.0f} ms, index {medians[1]:.0f} ms, "
        f"geometric check {medians[2]:.0f} ms, all {medians[3]:.0f} ms"
    )


if __name__ == "__main__":
    main()

"""What keeping descriptors in 4 bits costs, and which index to search them with: ``python -m benchmarks.local_codes``.

The hardest edits are searched with float32 descriptors and exact search, with 4-bit codes and exact search, with our
inverted lists of codes, and with FAISS's ``OPQ64,IVF,PQ64``, which takes the same 64 bytes a keypoint; what follows the
index, votes and geometric check, is the same for all. Found means: first, with enough inliers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.local_collection import Collection, edited
from benchmarks.photo_sets import upright
from benchmarks.report import Report, median
from deployments.extractor import Pixels
from deployments.extractors.local import Local
from deployments.keypoints.descriptors import RootSift
from deployments.keypoints.patches import Patches
from deployments.pictures.images import decode
from deployments.pictures.pixel_kernels import luma
from storage.index.descriptor_codes import unpacked
from storage.index.inverted_file import NO_HANDLES, DescriptorIndex, empty_descriptor_index
from storage.index.kmeans import sorted_anew, train_partition
from storage.index.vector_index import Neighbors
from storage.keypoints.alignment import DescribedKeypoints, align, match
from storage.keypoints.keypoint_rows import Side, sides
from storage.keypoints.search import CANDIDATES, MIN_INLIERS, NEIGHBORS, Votes, most_voted
from storage.types.features import FeatureRows, FloatVectors

EDITS = ("jpeg 15", "thumbnail 200 px", "crop 50 % + jpeg 20", "crop 10 %")
PROBES_OF_FAISS = 16  # as the original service has it

Search = Callable[[int, Side, FloatVectors], Neighbors]


class Recorder(RootSift):
    """RootSIFT that remembers what it gave before anything was rounded."""

    def __init__(self) -> None:
        self.vectors: list[FloatVectors] = []

    def describe(self, patches: Patches) -> FloatVectors:
        self.vectors.append(super().describe(patches))
        return self.vectors[-1]

    def describe_mirrored(self, patches: Patches, vectors: FloatVectors) -> FloatVectors:
        return super().describe_mirrored(patches, vectors)


class ExactFloats(Local):
    """The extractor, and its descriptors as they were."""

    def __init__(self) -> None:
        super().__init__()
        self.recorder = Recorder()
        self._descriptor = self.recorder

    def both(self, gray: Pixels, *, as_query: bool) -> tuple[FeatureRows, FloatVectors]:
        feature = self.query_views([gray], {})[0] if as_query else self.extract([gray])[0]
        return feature, self.recorder.vectors.pop()


class Ways:
    """The collection in every form. vectors: (N, 128) float32, owners: (N,) number of the picture."""

    def __init__(self, codes: NDArray[np.uint8], vectors: FloatVectors, owners: NDArray[np.int64]) -> None:
        self.vectors = vectors
        self.owners = owners
        exact = empty_descriptor_index(2 * codes.shape[1]).with_changes(remove=NO_HANDLES, add=owners, rows=codes)
        started = time.perf_counter()
        self.lists: DescriptorIndex = sorted_anew(exact, train_partition(exact))
        trained = time.perf_counter()
        count = len(self.lists.centroids)
        self.faiss = faiss.index_factory(vectors.shape[1], f"OPQ64,IVF{count},PQ64")
        self.faiss.train(vectors)
        self.faiss.add(vectors)
        faiss.extract_index_ivf(self.faiss).nprobe = PROBES_OF_FAISS
        self.training_s = {
            "inverted lists of codes": trained - started,
            "OPQ64,IVF,PQ64": time.perf_counter() - trained,
        }
        self.searches: dict[str, Callable[[NDArray[np.uint8], FloatVectors], Neighbors]] = {
            "float32, exact": lambda _, floats: self._owned(*faiss.knn(floats, self.vectors, NEIGHBORS + 1)),
            "4 bits, exact": lambda own, _: exact.search(own, NEIGHBORS + 1),
            "inverted lists of codes": lambda own, _: self.lists.search(own, NEIGHBORS + 1),
            "OPQ64,IVF,PQ64": lambda _, floats: self._owned(*self.faiss.search(floats, NEIGHBORS + 1)),
        }

    def _owned(self, distances: NDArray[np.float32], rows: NDArray[np.int64]) -> Neighbors:
        return Neighbors(np.where(rows < 0, -1, self.owners[rows]), np.where(rows < 0, np.inf, distances))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--originals", type=int, default=60)
    parser.add_argument("--others", type=int, default=1000)
    given = parser.parse_args()
    report = Report("local_codes", "Local descriptors: 4 bits against float32, and kinds of index")
    collection = Collection.chosen(given.seed, given.originals, given.others)
    extractor = ExactFloats()
    stored = [
        extractor.both(luma(decode(one.jpeg()).pixels), as_query=False)
        for one in (*collection.originals, *collection.others)
    ]
    owners = np.repeat(np.arange(len(stored)), [len(vectors) for _, vectors in stored])
    codes = np.concatenate([feature.rows for feature, _ in stored])
    ways = Ways(np.asarray(codes, np.uint8), np.concatenate([vectors for _, vectors in stored]), owners)
    report.line(
        f"{len(owners)} keypoints of {len(stored)} pictures; {len(ways.lists.centroids)} lists, training: "
        + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in ways.training_s.items())
    )
    numbers = {picture.id: number for number, picture in enumerate(collection.originals)}
    found: dict[tuple[str, str], list[int]] = {}
    times: dict[str, list[float]] = {name: [] for name in ways.searches}
    for question in collection.questions:
        if question.original is None or question.edit not in EDITS:
            continue
        copy = decode(edited(question, upright(question.path)).jpeg())
        feature, vectors = extractor.both(luma(copy.pixels), as_query=True)
        side = next(sides(feature.rows, feature.extras))
        for name, search in ways.searches.items():
            started = time.perf_counter()
            neighbors = search(np.asarray(side.codes, np.uint8), vectors)
            times[name].append((time.perf_counter() - started) * 1e3)
            inliers = _inliers(neighbors, side, vectors, stored, numbers[question.original.id], name)
            found.setdefault((name, question.edit), []).append(inliers)
    rows = []
    for name in ways.searches:
        recalls = [np.mean([value >= MIN_INLIERS for value in found[name, edit]]) for edit in EDITS]
        cells = [
            f"{recall:.3f} ({median([float(v) for v in found[name, edit]]):.0f})"
            for recall, edit in zip(recalls, EDITS, strict=True)
        ]
        rows.append([name, *cells, median(times[name])])
    report.table(["recall@1 (median inliers)", *EDITS, "index ms, one side"], rows)
    report.write()


def _inliers(
    neighbors: Neighbors,
    side: Side,
    vectors: FloatVectors,
    stored: Sequence[tuple[FeatureRows, FloatVectors]],
    wanted: int,
    way: str,
) -> int:
    """Of the wanted picture; 0 where it is not first."""
    votes = Votes.of(neighbors, np.zeros(len(side.codes), np.intp), 0.0)
    candidates = most_voted([votes], CANDIDATES)
    in_floats = way == "float32, exact"
    view = DescribedKeypoints(vectors if in_floats else unpacked(side.codes), side.points, side.sigmas, side.angles)
    best = {}
    for number, _ in candidates:
        feature, floats = stored[number]
        other = next(sides(feature.rows, feature.extras))
        candidate = DescribedKeypoints(
            floats if in_floats else unpacked(other.codes), other.points, other.sigmas, other.angles
        )
        alignment = align(view, candidate, match(view, candidate))
        best[number] = 0 if alignment is None else alignment.inliers
    first = max(best, key=lambda number: best[number], default=-1)
    return best[wanted] if first == wanted else 0


if __name__ == "__main__":
    main()

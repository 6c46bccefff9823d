"""Pairs of pictures of which the truth is known, and what the service would know of each pair.

What is computed of a file is kept in ``build/``, so that fitting again takes seconds for each thousand pairs.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from benchmarks.photo_sets import ROOT
from deployments.extractors.local import Local
from deployments.extractors.phash import Phash
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import prepare_picture
from graph.jobs.evaluating.edits import Homography
from graph.judging.colors import Rgb
from graph.judging.evidence import Evidence, Placed, keypoints_placed
from graph.judging.hypotheses import Hypothesis, Picture, hypotheses
from graph.judging.likeness import FARTHER, surprise
from graph.judging.pixels import Gray
from graph.judging.placement import Size, between, outline_in_stored
from graph.search.query_pictures import COLORS
from storage.keypoints.alignment import align, match
from storage.keypoints.keypoint_rows import sides, stored_side
from storage.keypoints.search import MIN_INLIERS
from storage.types.features import FeatureRows

KEPT = ROOT / "build" / "judgement"
QUERY_VIEWS = 2  # as given and mirrored, as a search asks by default


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What the service has of a picture. gray: of a stored one its thumbnail, of a query the working image. colors: of
    both the small square in colours.
    """

    size: Size
    frame: Size
    gray: Gray
    hashes: NDArray[np.uint8]
    keypoints: FeatureRows
    colors: Rgb

    @property
    def picture(self) -> Picture:
        return Picture(self.size, self.gray, lambda: self.colors)


@dataclass(frozen=True, slots=True)
class Told:
    """Evidence for one way in which a pair may lie, and whether it is true. kind: of pair, for the report. group: whose
    pairs are either all fitted on or none.
    """

    evidence: Evidence
    is_one_photograph: bool
    kind: str
    group: str
    is_one_scene: bool = False
    weight: float = 1.0


@cache
def _extractors() -> tuple[Phash, Local]:
    return Phash(), Local()


def known(data: bytes, *, as_query: bool) -> Known:
    """What the service computes of a file, as a query or to store it."""
    phash, local = _extractors()
    mark = hashlib.sha256(
        b"colors" + data + local.spec.fingerprint.encode() + phash.spec.fingerprint.encode()
    ).hexdigest()[:32]
    kept = KEPT / f"{mark}-{'query' if as_query else 'stored'}"
    if kept.exists():
        found: Known = pickle.loads(kept.read_bytes())
        return found
    made = _computed(data, phash, local, as_query=as_query)
    KEPT.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(pickle.dumps(made))
    return made


def _computed(data: bytes, phash: Phash, local: Local, *, as_query: bool) -> Known:
    wants = {phash.image_input, local.image_input, COLORS}
    prepared = prepare_picture(data, wants, DecodeLimits(), with_thumbnail=True)
    working = prepared.forms[local.image_input]
    hashes = phash.query_views([prepared.forms[phash.image_input]], {"orientations": "mirrored"})[0].rows
    keypoints = local.query_views([working], {})[0] if as_query else local.extract([working])[0]
    gray = working if as_query else simplejpeg.decode_jpeg(prepared.facts.thumbnail, "GRAY")[:, :, 0]
    size = prepared.facts.width, prepared.facts.height
    return Known(
        size,
        (working.shape[1], working.shape[0]),
        np.ascontiguousarray(gray),
        np.asarray(hashes, np.uint8),
        keypoints,
        prepared.forms[COLORS],
    )


def hash_surprise(query: Known, stored: Known, collection: NDArray[np.uint8]) -> float:
    """collection: (N, 72) hashes of its sample."""
    away = _bits(query, collection)
    middle, farther = np.quantile(away, (0.5, FARTHER))
    return surprise(float(_bits(query, stored.hashes[:1])[0]), float(middle), float(farther - middle))


def _bits(query: Known, hashes: NDArray[np.uint8]) -> NDArray[np.int64]:
    views = query.hashes[:QUERY_VIEWS].view(np.uint64)
    return np.asarray(np.bitwise_count(views[:, None] ^ hashes.view(np.uint64)[None]).sum(axis=-1).min(axis=0))


def placed(query: Known, stored: Known) -> Placed | None:
    """As a shard finds it."""
    side_of_stored = stored_side(stored.keypoints)
    best = None
    for side in sides(query.keypoints.rows, query.keypoints.extras):
        if min(len(side.codes), len(side_of_stored.codes)) < 2:
            continue
        view, candidate = side.described(), side_of_stored.described()
        found = align(view, candidate, match(view, candidate))
        if found is not None and found.inliers >= MIN_INLIERS and (best is None or found.inliers > best[0].inliers):
            best = found, side
    if best is None:
        return None
    found, side = best
    homography = between(
        np.asarray(side.to_frame @ found.homography), (stored.frame, stored.size), (query.frame, query.size)
    )
    return Placed(found.inliers, found.fit, homography, outline_in_stored(homography, stored.size, query.size))


def ways(query: Known, stored: Known, further: Mapping[str, float]) -> Sequence[Hypothesis]:
    """The ways in which the query may show the stored picture, those of which there is something to tell: with
    keypoints, and as a service without them sees it.
    """
    asks, has, spot = query.picture, stored.picture, placed(query, stored)
    found = [
        *hypotheses(asks, has, spot, {**further, **keypoints_placed(spot)}),
        *hypotheses(asks, has, None, further),
    ]
    return [one for one in found if one.is_telling]


def is_right(homography: Homography, truth: Homography, original: Size, tolerance: float = 0.02) -> bool:
    """Whether a map puts most of an original's corners where they are. tolerance: of the copy's diagonal."""
    corners = np.array([[0, 0], [original[0], 0], original, [0, original[1]], [original[0] / 2, original[1] / 2]])
    found = _mapped(homography, corners)
    true = _mapped(truth, corners - 0.5) + 0.5  # edits count from the middle of the first pixel
    off = np.linalg.norm(found - true, axis=1)
    return bool(np.median(off) < tolerance * np.linalg.norm(true[2] - true[0]))


def _mapped(homography: Homography, points: NDArray[np.float64]) -> NDArray[np.float64]:
    lifted = points @ homography[:, :2].T + homography[:, 2]
    return np.asarray(lifted[:, :2] / lifted[:, 2:])

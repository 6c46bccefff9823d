"""Searching by keypoints: who has keypoints like the query's, and whether they lie as the query's do.

Every keypoint of the query votes for the pictures whose descriptors are nearest to its own, the more the nearer they
are in comparison with the first descriptor that is left out; the pictures with most votes are checked one by one
(`storage.keypoints.alignment`). Of a mirrored query the same is asked again. A picture with fewer than ``min_inliers``
consistent keypoints is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import InvalidField
from storage.index.descriptor_codes import unpacked
from storage.index.vector_index import Allowed, Neighbors, VectorIndex
from storage.keypoints.alignment import RATIO, Alignment, DescribedKeypoints, align, match, squared_distances
from storage.keypoints.fit import Fit
from storage.keypoints.keypoint_rows import Side, sides, stored_side
from storage.keypoints.plane_maps import Floats, transformed
from storage.types.features import FeatureRows, Handles, Vectors
from storage.types.searches import FeatureQuery

NEIGHBORS = 4  # that a keypoint votes for
NEIGHBORS_OF_CROWDED = 64  # where all of these are as near as copies
MIN_INLIERS = 8
CANDIDATES = 24
MOST_CANDIDATES = 500
CHECKED_AT_ONCE = 32  # candidates


@dataclass(frozen=True, slots=True)
class LocalParams:
    """What a search may ask of the feature.

    min_inliers: keypoints that must agree. mirror: whether the mirrored query is asked, too. candidates: pictures that
    are checked. ratio: of the distances to the nearest and second nearest keypoint.
    """

    min_inliers: int = MIN_INLIERS
    mirror: bool = True
    candidates: int = CANDIDATES
    ratio: float = RATIO

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> LocalParams:
        """Raises `InvalidField` that names what is allowed."""
        checks: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
            "min_inliers": ("a whole number from 4 to 1000", lambda value: _is_whole(value, 4, 1000)),
            "mirror": ("true or false", lambda value: isinstance(value, bool)),
            "candidates": (
                f"a whole number from 1 to {MOST_CANDIDATES}",
                lambda value: _is_whole(value, 1, MOST_CANDIDATES),
            ),
            "ratio": ("a number from 0.5 to 1", lambda value: _is_number(value) and 0.5 <= value <= 1),
        }
        for key, value in params.items():
            if key not in checks:
                raise InvalidField(f"local has no parameter {key!r}", f"it has {', '.join(checks)}")
            allowed, is_allowed = checks[key]
            if not is_allowed(value):
                raise InvalidField(f"{key} of local cannot be {value!r}", f"give {allowed}")
        return cls(**{field.name: params.get(field.name, field.default) for field in fields(cls)})


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """A stored picture in which the query was found.

    homography: (3, 3) pixels of the stored frame to pixels of the query's frame. box: (4, 2) the query's corners in
    the stored frame, clockwise from the top left. fit: how well the homography explains the matches. pairs: (N, 4) x
    and y in the query's frame, x and y in the stored frame of the keypoints that agree; None unless they are wanted.
    """

    handle: int
    inliers: int
    side: Side
    homography: Floats
    box: Floats
    stored_size: tuple[int, int]
    fit: Fit
    pairs: Floats | None = None


def locate(
    index: VectorIndex,
    query: FeatureQuery,
    feature_of: Callable[[int], FeatureRows | None],
    allowed: Allowed | None = None,
) -> list[Located]:
    """The allowed pictures in which the query's keypoints are found, most inliers first. feature_of: a picture's
    keypoints.
    """
    params = LocalParams.of(query.params)
    both = sides(query.rows, query.extras)
    asked = [side for side in both if len(side.codes) and (params.mirror or not side.mirrored)]
    if not asked or not index.rows_count:
        return []
    candidates = _candidates(index, asked, params.candidates, allowed)
    best: dict[int, Located] = {}
    for number, side in enumerate(asked):
        own = [handle for handle, which in candidates if which == number]
        for found in _checked(side, own, feature_of, params, with_pairs=query.with_pairs):
            if found.handle not in best or best[found.handle].inliers < found.inliers:
                best[found.handle] = found
    return sorted(best.values(), key=lambda one: (-one.inliers, one.handle))[: query.k]


def _candidates(
    index: VectorIndex, asked: Sequence[Side], budget: int, allowed: Allowed | None
) -> list[tuple[int, int]]:
    """(handle, number of the side) with the most votes."""
    codes = np.concatenate([side.codes for side in asked])
    numbers = np.repeat(np.arange(len(asked)), [len(side.codes) for side in asked])
    unlike = _unlike(codes)
    neighbors = index.search(codes, NEIGHBORS + 1, allowed)
    votes = [Votes.of(neighbors, numbers, unlike)]
    crowded = neighbors.distances[:, -1] < unlike
    if crowded.any():  # more copies than are voted for
        more = index.search(codes[crowded], NEIGHBORS_OF_CROWDED + 1, allowed)
        votes.append(Votes.of(more, numbers[crowded], unlike))
    return most_voted(votes, budget)


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """handles, numbers, weights: (V,) who is voted for, by a keypoint of which side, how much."""

    handles: Handles
    numbers: NDArray[np.intp]
    weights: NDArray[np.float32]

    @classmethod
    def of(cls, neighbors: Neighbors, numbers: NDArray[np.intp], unlike: float) -> Votes:
        """neighbors: the nearest descriptors to each keypoint of the query, one more than it votes for; that one, or
        what is unlike it anyway, is the background that a vote's weight is measured by. numbers: (Q,) its side.
        unlike: a squared distance.
        """
        there = np.isfinite(neighbors.distances)
        distances = np.sqrt(np.where(there, neighbors.distances, np.float32(0)))
        background = np.maximum(distances[:, -1:], np.float32(np.sqrt(unlike)))
        weights = np.maximum(background - distances[:, :-1], 0) / np.maximum(background, np.float32(1e-6))
        weights = np.where(there[:, -1:], weights, np.float32(1))  # in an index of so few rows everyone is looked at
        valid = there[:, :-1] & (weights > 0)
        sides_of = np.broadcast_to(numbers[:, None], valid.shape)
        return cls(neighbors.handles[:, :-1][valid], sides_of[valid], weights[valid])


def most_voted(votes: Sequence[Votes], budget: int) -> list[tuple[int, int]]:
    """At most ``budget`` (handle, number of the side), those with the most votes first."""
    handles, numbers, weights = (
        np.concatenate([getattr(one, name) for one in votes]) for name in ("handles", "numbers", "weights")
    )
    sides_count = int(numbers.max(initial=0)) + 1
    keys, place = np.unique(handles * sides_count + numbers, return_inverse=True)
    totals = np.bincount(place, weights=weights, minlength=len(keys))
    most = np.lexsort((keys, -totals))[:budget]
    return [(int(key) // sides_count, int(key) % sides_count) for key in keys[most]]


def _unlike(codes: Vectors) -> float:
    """A squared distance within which two descriptors are of copies: unsquared a quarter of what the query's own are
    usually apart. With half of it the thousand leaves of a tree would pass for copies and outvote the rest.
    """
    levels = unpacked(codes)
    apart = np.square(levels - np.roll(levels, len(levels) // 2 + 1, axis=0)).sum(axis=1)
    return float(np.median(apart)) / 16


def _checked(
    side: Side,
    handles: Sequence[int],
    feature_of: Callable[[int], FeatureRows | None],
    params: LocalParams,
    *,
    with_pairs: bool,
) -> Iterator[Located]:
    """Those of the pictures in which the side is found, their keypoints compared in one matrix product."""
    view = side.described()
    for start in range(0, len(handles), CHECKED_AT_ONCE):
        part = handles[start : start + CHECKED_AT_ONCE]
        stored = [(handle, stored_side(feature)) for handle in part if (feature := feature_of(handle)) is not None]
        if not stored:
            continue
        vectors = unpacked(np.concatenate([one.codes for _, one in stored]))
        squared = squared_distances(view.vectors, vectors)
        ends = np.cumsum([0, *(len(one.codes) for _, one in stored)])
        for (handle, one), first, last in zip(stored, ends[:-1], ends[1:], strict=True):
            candidate = DescribedKeypoints(vectors[first:last], one.points, one.sigmas, one.angles)
            alignment = align(view, candidate, match(view, candidate, squared[:, first:last], params.ratio))
            if alignment is not None and alignment.inliers >= params.min_inliers:
                yield _located(handle, alignment, side, one, with_pairs=with_pairs)


def _located(handle: int, alignment: Alignment, side: Side, stored: Side, *, with_pairs: bool) -> Located:
    homography: Floats = side.to_frame @ alignment.homography
    homography /= homography[2, 2] if homography[2, 2] else 1.0
    width, height = side.size
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    box = transformed(np.asarray(np.linalg.inv(homography), np.float64), corners)
    found = Located(handle, alignment.inliers, side, homography, box, stored.size, alignment.fit)
    return replace(found, pairs=_pairs(alignment, side, stored)) if with_pairs else found


def _pairs(alignment: Alignment, side: Side, stored: Side) -> Floats:
    of_query = transformed(side.to_frame, side.points[alignment.pairs[:, 0]])
    return np.hstack([of_query, stored.points[alignment.pairs[:, 1]]])


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

"""From the hits of every shard and feature to one ranked list. Pure functions.

Reciprocal-rank fusion (Cormack, Clarke, Buettcher, SIGIR 2009) with weights: a picture scores ``w / (60 + rank)`` in
each feature that found it. The sum is divided by what the first of every feature would have, so that 1.0 means "first
in all that was asked".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from graph.judging.strangers import Strangers
from graph.requests.messages import SearchResult
from lookalike_client.matches import PROVEN, STRONG, Explanation, Overlap, Relation, Transform
from storage.shard.search import PAIRS, QUERY_FRAME
from storage.types.features import Metric
from storage.types.searches import Hit, ImageSummary

PictureSize = tuple[int, int]  # (width, height), pixels

DEPTH = 100  # of each feature's list, whatever is wanted of the answer; what lies beyond ranks behind all in them
RANK_CONSTANT = 60.0  # of the paper; damps the difference between the first ranks
FARTHER_DIGITS = 6
MOST_PAIRS = 500  # of keypoints, in an explanation
PAIR_DIGITS = 2  # of a pixel


@dataclass(frozen=True, slots=True)
class AskedFeature:
    """One feature of a search and what the shards found with it.

    shard_hits: a list a shard, in any order. view_name: names ``Hit.view`` in the evidence; None leaves it out.
    strangers: how far the collection is; None where not all of it is known.
    """

    name: str
    metric: Metric
    shard_hits: Sequence[Sequence[Hit]]
    weight: float = 1.0
    view_name: Callable[[int], str] | None = None
    strangers: Strangers | None = None

    @property
    def descending(self) -> bool:
        """Whether the distance counts upwards: more inliers are nearer."""
        return self.metric == "inliers"

    def goes_on(self, depth: int) -> bool:
        """Whether more may lie beyond its ``depth`` nearest, of shards that were asked for as many."""
        return sum(map(len, self.shard_hits)) > depth or any(len(hits) >= depth for hits in self.shard_hits)


class RankedHit(NamedTuple):
    """rank: from 1; equal distances share one."""

    feature: AskedFeature
    rank: int
    hit: Hit


@dataclass(frozen=True, slots=True)
class Judged:
    """What a picture is to the query; the fields are those of `SearchResult`."""

    relation: Relation | None
    confidence: float | None = None
    because: tuple[str, ...] = ()
    transform: Transform | None = None
    overlap: Overlap | None = None
    explain: Explanation | None = None


NOT_JUDGED = Judged(None)


class Candidate(NamedTuple):
    """A picture that at least one feature found. matches: one a feature. judged: None where nothing stands out."""

    id: str
    score: float
    matches: Sequence[RankedHit]
    judged: Judged | None = None

    @property
    def relation(self) -> Relation | None:
        return None if self.judged is None else self.judged.relation

    @property
    def confidence(self) -> float | None:
        return None if self.judged is None else self.judged.confidence

    @property
    def is_strong(self) -> bool:
        """As `SearchResult.is_strong`."""
        return self.relation in STRONG and (self.confidence or 0.0) >= PROVEN


def merge(features: Sequence[AskedFeature], *, depth: int, exact: Collection[str] = ()) -> list[Candidate]:
    """All that are among the ``depth`` nearest of a feature, best first; ties end with the id, so arrival order does
    not matter.

    exact: ids of pictures that have the query's bytes; they win a tie.
    """
    candidates = fused([(feature, ranked(feature, depth, exact)) for feature in features])
    return sorted(candidates, key=lambda candidate: _place(candidate, exact))


def ranked(feature: AskedFeature, depth: int, exact: Collection[str] = ()) -> list[RankedHit]:
    """A feature's nearest over all shards, with their ranks. A picture that is listed twice keeps its best place.

    exact: ids that win over others of the same distance and view.
    """
    sign = -1 if feature.descending else 1
    ordered = sorted(
        [hit for hits in feature.shard_hits for hit in hits],
        key=lambda hit: (sign * hit.distance, hit.view, hit.id not in exact, hit.id),
    )
    nearest: dict[str, Hit] = {}
    for hit in ordered:
        nearest.setdefault(hit.id, hit)
    return _competition_ranks(feature, list(nearest.values())[:depth])


def _competition_ranks(feature: AskedFeature, hits: Iterable[Hit]) -> list[RankedHit]:
    """1, 2, 2, 4: equal distances share a rank, and the next one skips as many."""
    entries: list[RankedHit] = []
    for position, hit in enumerate(hits, start=1):
        tied = entries and entries[-1].hit.distance == hit.distance
        entries.append(RankedHit(feature, entries[-1].rank if tied else position, hit))
    return entries


def fused(found: Sequence[tuple[AskedFeature, Sequence[RankedHit]]]) -> list[Candidate]:
    """Every picture with its score from 0 to 1, in no particular order; all score 0 where every weight is 0.

    Sums are exact, so the order of the features does not change a score.
    """
    full = math.fsum([feature.weight / (RANK_CONSTANT + 1) for feature, _ in found])
    matches: dict[str, list[RankedHit]] = {}
    for _, entries in found:
        for entry in entries:
            matches.setdefault(entry.hit.id, []).append(entry)
    return [Candidate(image_id, _score(own, full), own) for image_id, own in matches.items()]


def _score(matches: Sequence[RankedHit], full: float) -> float:
    if full == 0:
        return 0.0
    return min(1.0, math.fsum([entry.feature.weight / (RANK_CONSTANT + entry.rank) for entry in matches]) / full)


def _place(candidate: Candidate, exact: Collection[str]) -> tuple[float, int, bool, int, str]:
    best_view = min([entry.hit.view for entry in candidate.matches])
    return -candidate.score, -len(candidate.matches), candidate.id not in exact, best_view, candidate.id


def result_of(candidate: Candidate, summary: ImageSummary, *, explain: bool = False) -> SearchResult:
    """What the client sees of it. explain: whether it is said what its relation follows from."""
    judged = candidate.judged or NOT_JUDGED
    if explain:
        judged = replace(judged, explain=replace(judged.explain or Explanation(()), matches=_pairs(candidate)))
    return SearchResult(
        candidate.id,
        round(candidate.score, 6),
        {entry.feature.name: _evidence(*entry) for entry in candidate.matches},
        summary.width,
        summary.height,
        summary.metadata,
        summary.annotations,
        summary.path,
        summary.byte_size,
        summary.taken_at,
        summary.camera,
        summary.gps,
        summary.missing,
        *(judged.relation, judged.confidence, judged.because, judged.transform, judged.overlap, judged.explain),
    )


def _pairs(candidate: Candidate) -> tuple[tuple[float, float, float, float], ...]:
    """Of the keypoints that agree."""
    found = [pair for match in candidate.matches for pair in match.hit.evidence.get(PAIRS, ())]
    return tuple(
        (round(xq, PAIR_DIGITS), round(yq, PAIR_DIGITS), round(xs, PAIR_DIGITS), round(ys, PAIR_DIGITS))
        for xq, yq, xs, ys in found[:MOST_PAIRS]
    )


def _evidence(feature: AskedFeature, rank: int, hit: Hit) -> Any:
    """What the client reads into a `Match`. It stays a plain dict here, of which JSON is written five times as fast."""
    counts = "inliers" if feature.descending else "distance"
    evidence: dict[str, Any] = {
        counts: _shown(feature.metric, hit.distance),
        "rank": rank,
        "farther": _farther(feature, hit.distance),
    }
    if feature.view_name is not None:
        evidence["view"] = feature.view_name(hit.view)
    if hit.evidence:
        evidence.update(hit.evidence)
        evidence.pop(PAIRS, None)  # which the explanation has
    return evidence


def _farther(feature: AskedFeature, distance: float) -> float | None:
    if feature.strangers is None:
        return None
    return round(feature.strangers.farther(-distance if feature.descending else distance), FARTHER_DIGITS)


def _shown(metric: Metric, distance: float) -> int | float:
    """Bits and keypoints are counts; other distances have the digits of a float32."""
    return round(distance) if metric in ("hamming", "inliers") else float(f"{distance:.7g}")


def in_query_pixels(hits: Sequence[Hit], pictures: Sequence[PictureSize]) -> Sequence[Hit]:
    """The hits with homographies to pixels of the query as it was sent, and keypoints in these; a shard knows its
    keypoints only in pixels of the working image. pictures: sizes of those the query is made of.
    """
    if not any(QUERY_FRAME in hit.evidence for hit in hits):
        return hits
    return [_in_pixels(hit, pictures) for hit in hits]


def _in_pixels(hit: Hit, pictures: Sequence[PictureSize]) -> Hit:
    evidence = dict(hit.evidence)
    frame, width, height = evidence.pop(QUERY_FRAME)
    across, down = pictures[frame][0] / width, pictures[frame][1] / height
    evidence["homography"] = [
        [scale * value for value in row] for scale, row in zip((across, down, 1.0), evidence["homography"], strict=True)
    ]
    if PAIRS in evidence:
        evidence[PAIRS] = [(across * xq, down * yq, xs, ys) for xq, yq, xs, ys in evidence[PAIRS]]
    if len(pictures) > 1:
        evidence["picture"] = frame
    return hit._replace(evidence=evidence)

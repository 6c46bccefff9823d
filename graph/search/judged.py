"""From ranked candidates to judged ones: which are looked at, and what each is to the query.

Looked at is what has reason to be: the query's bytes, keypoints, a hash that is nearer than chance, and the first few
whatever they have. What else stands out is similar. Pure functions, but for asking the shards for thumbnails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Protocol

from graph.judging.evidence import OF_KEYPOINTS, Placed, keypoints_placed
from graph.judging.explaining import explanation
from graph.judging.hypotheses import Picture, stored_picture
from graph.judging.judge import SAME_BYTES, Judgement, judge
from graph.judging.likeness import Asked, hash_surprise, stands_out
from graph.judging.placement import Size
from graph.requests.shards import Shards, outcome_of
from graph.search.ranking import Candidate, Judged, RankedHit
from lookalike_client.matches import PROVEN, STRONG
from storage.errors import LookalikeError
from storage.operations.pictures import Thumbnails
from storage.types.searches import ImageSummary

TRIED = 3  # first candidates that are looked at without a reason
SUSPECTED = 4.0  # spreads that a hash is nearer than strangers
MOST_LOOKED_AT = 64  # candidates


class Summaries(Protocol):
    def __getitem__(self, image_id: str, /) -> ImageSummary: ...


@dataclass(frozen=True, slots=True, eq=False)
class Judging:
    """One query that is judged. pictures: of the query, in the order of their frames; empty where it is a sentence
    alone. same_bytes: ids of pictures that have the query's bytes. has_keypoints: whether they were looked for.
    explain: whether it is to be said why. silent: names of evidence that a part might have given which did not answer.
    least: what a strong relation has to be sure of to be said. fitting: by feature that sentences are searched by, the
    ids of pictures that the query's sentence fits, where it is a sentence alone.
    """

    pictures: Sequence[Picture]
    same_bytes: frozenset[str]
    has_keypoints: bool = False
    explain: bool = False
    silent: Set[str] = frozenset()
    least: float = PROVEN
    fitting: Mapping[str, Set[str]] = field(default_factory=dict)

    def looked_at(self, order: Sequence[Candidate]) -> list[Candidate]:
        """Which of the candidates, in their order, are compared pixel by pixel."""
        if not self.pictures:
            return []
        reasons = [
            candidate
            for place, candidate in enumerate(order)
            if candidate.id not in self.same_bytes and (place < TRIED or any(map(_is_suspicious, candidate.matches)))
        ]
        return reasons[:MOST_LOOKED_AT]

    def judged(
        self, order: Sequence[Candidate], summaries: Summaries, thumbnails: Mapping[str, bytes]
    ) -> list[Candidate]:
        """The candidates in the same order, each with what it is to the query."""
        return [
            candidate._replace(judged=self._judged(candidate, summaries, thumbnails.get(candidate.id, b"")))
            for candidate in order
        ]

    def _judged(self, candidate: Candidate, summaries: Summaries, thumbnail: bytes) -> Judged | None:
        if candidate.id in self.same_bytes:
            return self._said(SAME_BYTES, summaries[candidate.id])
        found = self._compared(candidate, summaries[candidate.id], thumbnail) if thumbnail else None
        if found is not None and self._counts(found):
            return self._said(found, summaries[candidate.id])
        because = tuple(match.feature.name for match in candidate.matches if self._stands_out(candidate.id, match))
        if because:
            return Judged("similar", because=because)
        return None if found is None or found.confidence >= PROVEN else self._said(found, summaries[candidate.id])

    def _stands_out(self, image_id: str, match: RankedHit) -> bool:
        feature = match.feature
        if feature.name in self.fitting:
            return image_id in self.fitting[feature.name]
        asked: Asked = "picture" if self.pictures else "sentence"
        return stands_out(feature.metric, match.hit.distance, feature.strangers, asked)

    def _counts(self, found: Judgement) -> bool:
        return not found.is_known or found.confidence >= (self.least if found.relation in STRONG else PROVEN)

    def _compared(self, candidate: Candidate, summary: ImageSummary, thumbnail: bytes) -> Judgement | None:
        """What it is to that picture of the query that it is most surely something to."""
        stored = stored_picture((summary.width, summary.height), thumbnail)
        if stored is None:
            return None
        found = []
        for number, query in enumerate(self.pictures):
            placed = _placed(candidate.matches, number, stored.size, query.size)
            further = {**_further(candidate.matches), **(keypoints_placed(placed) if self.has_keypoints else {})}
            silent = self.silent - (OF_KEYPOINTS if placed else set())
            judgement = judge(query, stored, placed=placed, further=further, silent=silent)
            if judgement is not None:
                found.append(judgement)
        return max(found, key=lambda one: (one.relation != "scene", one.confidence), default=None)

    def _said(self, judgement: Judgement, summary: ImageSummary) -> Judged:
        confidence = judgement.confidence if judgement.is_known else None
        said = Judged(judgement.relation, confidence, transform=judgement.transform, overlap=judgement.overlap)
        if not self.explain:
            return said
        return replace(said, explain=explanation(judgement, (summary.width, summary.height)))


async def thumbnails_of(
    candidates: Sequence[Candidate], shards: Shards, *, timeout_s: float
) -> tuple[dict[str, bytes], set[int]]:
    """By id, those that there are; and the shards that did not give theirs."""
    by_shard = shards.with_their_ids([candidate.id for candidate in candidates])
    asked = [
        outcome_of(shards.ports[number].ask(Thumbnails(tuple(ids)), timeout_s=timeout_s))
        for number, ids in by_shard.items()
    ]
    found: dict[str, bytes] = {}
    missing = set()
    for (number, ids), thumbnails in zip(by_shard.items(), await asyncio.gather(*asked), strict=True):
        if isinstance(thumbnails, LookalikeError):
            missing.add(number)
        else:
            found.update({image_id: one for image_id, one in zip(ids, thumbnails, strict=True) if one})
    return found, missing


def _is_suspicious(match: RankedHit) -> bool:
    if match.feature.metric == "inliers":
        return True
    if match.feature.metric != "hamming":
        return False
    nearer = hash_surprise(match.hit.distance, match.feature.strangers)
    return nearer is not None and nearer >= SUSPECTED


def _further(matches: Sequence[RankedHit]) -> Mapping[str, float]:
    """What the hash says: how much nearer than strangers it is."""
    for match in matches:
        if match.feature.metric == "hamming":
            nearer = hash_surprise(match.hit.distance, match.feature.strangers)
            return {} if nearer is None else {"surprise": nearer}
    return {}


def _placed(matches: Sequence[RankedHit], picture: int, stored: Size, query: Size) -> Placed | None:
    """Where keypoints put the stored picture in this picture of the query."""
    for match in matches:
        evidence = match.hit.evidence
        if match.feature.metric == "inliers" and evidence.get("picture", 0) == picture:
            return Placed.of(round(match.hit.distance), evidence, stored, query)
    return None

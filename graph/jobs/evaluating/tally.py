"""What came of the questions of an evaluation, counted, and as the report that a job keeps."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from graph.jobs.evaluating.edits import key_of
from lookalike_client.answers import SearchAnswer, SearchResult

ALL = "all"  # features together, or edits
MOST_FAILURES, MOST_COPIES = 100, 30  # that a report shows: a job's record stays small
BINS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 1.0001)  # of confidence


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that was not right. kind: ``edit`` or ``stranger``; ``copy``: one that is taken to be right. edit: its
    key. id, path: of the photo that was asked with, or that was edited. found: id of what the answer had in its place;
    relation, confidence: what it said of that. expected: the relations that would have been right.
    """

    kind: str
    why: str = ""
    id: str | None = None
    path: str | None = None
    edit: str | None = None
    found: str | None = None
    relation: str | None = None
    confidence: float | None = None
    expected: tuple[str, ...] = ()


@dataclass(slots=True)
class EditCount:
    """Questions with one edit. by_feature: of those that a feature could answer, how many it alone answered with the
    right picture first.
    """

    n: int = 0
    found: int = 0
    right: int = 0
    could: Counter[str] = field(default_factory=Counter)
    by_feature: Counter[str] = field(default_factory=Counter)

    def add(self, other: EditCount) -> None:
        self.n, self.found, self.right = self.n + other.n, self.found + other.found, self.right + other.right
        self.could.update(other.could)
        self.by_feature.update(other.by_feature)

    def as_json(self) -> dict[str, Any]:
        return {
            "recall_at_1": _share(self.found, self.n),
            "relation_right": _share(self.right, self.n),
            "n": self.n,
            "by_feature": {
                name: {"recall_at_1": _share(self.by_feature[name], could), "n": could}
                for name, could in sorted(self.could.items())
            },
        }


@dataclass(slots=True)
class Tally:
    """names: of the edits, in the order in which they are told.

    worst: of each stranger the highest confidence of a strong relation that is wrong; 0 where there is none.
    with_copies: how many photos have copies in the collection; copies: the first of these. told: confidence of every
    strong relation, and whether it is right. took_ms: by feature, or of all together. unanswered: questions, by the
    code of the error.
    """

    names: Sequence[str]
    edits: dict[str, EditCount] = field(default_factory=dict)
    worst: list[float] = field(default_factory=list)
    with_copies: int = 0
    copies: list[Failure] = field(default_factory=list)
    told: list[tuple[float, bool]] = field(default_factory=list)
    took_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: list[Failure] = field(default_factory=list)
    failures_left_out: int = 0
    unanswered: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0

    def failed(self, failure: Failure) -> None:
        if len(self.failures) < MOST_FAILURES:
            self.failures.append(failure)
        else:
            self.failures_left_out += 1

    def copied(self, copies: Sequence[Failure]) -> None:
        """What one photo has in the collection."""
        self.with_copies += bool(copies)
        self.copies += copies[: MOST_COPIES - len(self.copies)]

    def edit_asked(self, edit: str, answer: SearchAnswer, own: frozenset[str], *, right: bool) -> bool:
        """Whether one of ``own``, the picture and its copies, is first. right: whether its relation is."""
        count = self.edits.setdefault(edit, EditCount())
        found = bool(answer.results) and answer.results[0].id in own
        count.n += 1
        count.found += found
        count.right += right
        mine = [result for result in answer.results if result.id in own]
        for name, report in answer.features.items():
            if report.status == "ok":
                count.could[name] += 1
                count.by_feature[name] += any(_is_first(result, name) for result in mine)
        return found

    def as_json(self) -> dict[str, Any]:
        """The part of the report that is counted."""
        every = EditCount()
        for count in self.edits.values():
            every.add(count)
        told = [name for name in self.names if name in self.edits]
        return {
            "edits": {key_of(name): {"name": name, **self.edits[name].as_json()} for name in told},
            "all_edits": every.as_json(),
            "strangers": {
                "n": len(self.worst),
                "called_match": sum(map(bool, self.worst)),
                "with_copies": self.with_copies,
            },
            "calibration": calibration_table(self.told),
            "latency_ms": {name: latency(took) for name, took in self.took_ms.items()},
            "failures": [asdict(failure) for failure in self.failures],
            "failures_left_out": self.failures_left_out,
            "copies": [asdict(copy) for copy in self.copies],
            "unanswered": dict(self.unanswered),
            "unreadable": self.unreadable,
        }


def calibration_table(told: Sequence[tuple[float, bool]]) -> list[Mapping[str, Any]]:
    """Of strong relations, by their confidence: what they said on average, and how often they were right."""
    rows: list[Mapping[str, Any]] = []
    for low, high in itertools.pairwise(BINS):
        inside = [(confidence, right) for confidence, right in told if low <= confidence < high]
        if inside:
            said, right = np.mean(inside, axis=0)
            rows.append(
                {
                    "from": low,
                    "to": min(high, 1.0),
                    "confidence": round(float(said), 4),
                    "right": round(float(right), 4),
                    "n": len(inside),
                }
            )
    return rows


def latency(took_ms: Sequence[float]) -> Mapping[str, Any]:
    p50, p95 = np.percentile(took_ms, (50, 95))
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1), "n": len(took_ms)}


def _is_first(result: SearchResult, feature: str) -> bool:
    match = result.matches.get(feature)
    return match is not None and match["rank"] == 1


def _share(part: int, of: int) -> float:
    return round(part / of, 4) if of else 0.0

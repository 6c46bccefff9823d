"""What the service answers about batch jobs and the folders that they look through: see `lookalike_client.answers`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

FINISHED_STATES = frozenset({"succeeded", "failed", "stopped"})


@dataclass(frozen=True, slots=True)
class Job:
    """A batch job's progress."""

    id: str
    kind: Annotated[str, "index, backfill, import or eval"]
    state: Annotated[str, "queued, running, succeeded, failed or stopped"]
    submitted_at: Annotated[datetime, "ISO 8601, UTC"]
    updated_at: Annotated[datetime, "ISO 8601, UTC"]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    total: Annotated[
        int,
        "files; of a backfill (those with something to compute) or an import, images; of an evaluation, searches",
    ] = 0
    done: int = 0
    added: Annotated[int, "images; of a backfill, features filled in"] = 0
    replaced: Annotated[int, "images; of an import, those that were there and were added to"] = 0
    unchanged: int = 0
    skipped: int = 0
    failed: Annotated[
        int,
        "files that could not be taken; of a backfill, images that could not be filled in; of an import, all that did "
        "not fit",
    ] = 0
    message: str = ""
    started_at: Annotated[datetime | None, "when work on the first file began"] = None
    report: Annotated[
        Mapping[str, Any],
        "of an import: what each folder held, and what did not fit; of an indexing: what was passed over; of an "
        "evaluation: what came of it",
    ] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        return self.state in FINISHED_STATES


@dataclass(frozen=True, slots=True)
class LibraryRoot:
    """A folder that was indexed."""

    path: Annotated[str, "its real path on the service's machine"]
    reachable: Annotated[bool, "whether it is there, with something in it"]
    pictures: Annotated[int, "images whose file is in it, or was"]
    missing: Annotated[int, "of these, those whose file was gone when the folder was last looked through"] = 0
    kept_out: Annotated[int, "files whose images were removed by hand"] = 0
    passed_over: Annotated[Mapping[str, int], "files that are no pictures, by their ending"] = field(
        default_factory=dict
    )
    watched: bool = False
    last_scan_at: Annotated[datetime | None, "when it was last looked through; ISO 8601, UTC"] = None


@dataclass(frozen=True, slots=True)
class JobFailure:
    """A file that a job could not take, or an image that it could not fill in, and why."""

    path: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class JobFailures:
    failures: tuple[JobFailure, ...]
    next_offset: Annotated[int | None, "for the next page; null on the last"]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a collection asks of a match, from an evaluation of it."""

    least_confidence: Annotated[float, "of a strong relation; what is less sure is none"]
    risk: Annotated[float, "the most that a picture which is not in the collection is called a match, 0 to 1"]
    certainty: Annotated[float, "that this is so"]
    strangers: Annotated[int, "from how many pictures that was concluded"]
    called_match: Annotated[int, "of these, with this confidence or more"]
    job: Annotated[str, "the evaluation"] = ""

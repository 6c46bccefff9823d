"""What the service answers of batch jobs: the field names are those of the JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

FINISHED_STATES = frozenset({"succeeded", "failed", "stopped"})


@dataclass(frozen=True, slots=True)
class Job:
    """A batch job's progress. state: queued, running, succeeded, failed or stopped.

    The counts are of files. Of a backfill: total of images with something to compute, added of features filled in,
    failed of images that could not be. Of an import: of images, replaced of those that were there and were added to,
    failed of everything that did not fit; report says what each folder held.
    """

    id: str
    kind: str
    state: str
    submitted_at: datetime
    updated_at: datetime
    arguments: Mapping[str, Any] = field(default_factory=dict)
    total: int = 0
    done: int = 0
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    message: str = ""
    started_at: datetime | None = None
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        return self.state in FINISHED_STATES


@dataclass(frozen=True, slots=True)
class JobFailure:
    """A file that a job could not take, or an image that it could not fill in, and why."""

    path: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class JobFailures:
    """One page of what a job failed at. next_offset: where the following page begins; None on the last one."""

    failures: tuple[JobFailure, ...]
    next_offset: int | None

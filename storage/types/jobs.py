"""Durable records of batch jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A batch job's durable progress. state: queued, running, succeeded, failed, stopped.

    Times are Unix seconds. started_at: when work on the first file began; None before. report: what else a kind of job
    has to say, as JSON.
    """

    id: str
    kind: str
    state: str
    submitted_at: float
    updated_at: float
    arguments: Mapping[str, Any]
    total: int = 0
    done: int = 0
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    message: str = ""
    started_at: float | None = None
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_at_work(self) -> bool:
        """Whether it has not come to its end, so far as its record says."""
        return self.state in ("queued", "running")


@dataclass(frozen=True, slots=True)
class JobFailure:
    """A file that a job could not take, and why."""

    path: str
    code: str
    reason: str

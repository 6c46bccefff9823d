"""A job's durable record, kept up to date while it runs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graph.jobs.running.fleet_shards import ShardCalls
from storage.operations.jobs import AddJobFailures, PutJob
from storage.types.jobs import JobFailure, JobRecord

RECORD_INTERVAL_S = 0.5


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """outcome: created, replaced, skipped, unchanged or failed; code and reason only for the last."""

    path: str
    outcome: str
    code: str = ""
    reason: str = ""


class JobProgress:
    """The job's record, written to shard 0 now and then and at every turn of its life."""

    def __init__(self, shards: ShardCalls, record: JobRecord) -> None:
        self._shards = shards
        self._record = record
        self._failures: list[JobFailure] = []
        self._written = 0.0

    @property
    def record(self) -> JobRecord:
        return self._record

    def start(self, total: int, unchanged: int, skipped: int, failures: Sequence[JobFailure]) -> None:
        """The start of a round: what needs no work counts as done."""
        record = self._record
        self._record = replace(
            record,
            state="running",
            total=record.total + total,
            done=record.done + unchanged + skipped + len(failures),
            unchanged=record.unchanged + unchanged,
            skipped=record.skipped + skipped,
            failed=record.failed + len(failures),
        )
        self._failures += failures
        self.write()

    def began(self, moment: float) -> None:
        """Work on some files began then, in Unix seconds; the earliest is kept."""
        earlier = self._record.started_at
        self._record = replace(self._record, started_at=moment if earlier is None else min(earlier, moment))

    def count(self, outcomes: Sequence[FileOutcome]) -> None:
        record = self._record
        for outcome in outcomes:
            if outcome.outcome == "failed":
                self._failures.append(JobFailure(outcome.path, outcome.code, outcome.reason))
        tally = {
            name: sum(outcome.outcome == name for outcome in outcomes)
            for name in ("created", "replaced", "unchanged", "skipped", "failed")
        }
        self._record = replace(
            record,
            done=record.done + len(outcomes),
            added=record.added + tally["created"],
            replaced=record.replaced + tally["replaced"],
            unchanged=record.unchanged + tally["unchanged"],
            skipped=record.skipped + tally["skipped"],
            failed=record.failed + tally["failed"],
        )
        if time.monotonic() - self._written > RECORD_INTERVAL_S:
            self.write()

    def filled(self, *, images: int, features: int) -> None:
        """Pictures that had something filled in, and how many features and annotations that were."""
        record = self._record
        self._record = replace(record, done=record.done + images, added=record.added + features)
        if time.monotonic() - self._written > RECORD_INTERVAL_S:
            self.write()

    def failed(self, failures: Sequence[JobFailure]) -> None:
        """Pictures for which nothing could be done."""
        self._failures += failures
        record = self._record
        self._record = replace(record, done=record.done + len(failures), failed=record.failed + len(failures))

    def noted(self, failures: Sequence[JobFailure]) -> None:
        """What did not fit beside the pictures that are counted."""
        self._failures += failures
        self._record = replace(self._record, failed=self._record.failed + len(failures))

    def say(self, report: Mapping[str, Any], message: str = "") -> None:
        """report: as JSON, in place of the last one."""
        self._record = replace(self._record, report=report, message=message)

    def end(self, state: str, message: str = "") -> None:
        self._record = replace(self._record, state=state, message=message)
        self.write()

    def write(self) -> None:
        if self._failures:
            self._shards.ask_patiently(0, AddJobFailures(self._record.id, tuple(self._failures)))
            self._failures = []
        self._record = replace(self._record, updated_at=time.time())
        self._shards.ask_patiently(0, PutJob(self._record))
        self._written = time.monotonic()

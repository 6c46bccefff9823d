"""A job's durable record, kept up to date while it runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graph.jobs.running.fleet_shards import ShardCalls
from storage.operations.jobs import AddJobFailures, PutJob
from storage.types.jobs import JobFailure, JobRecord

RECORD_INTERVAL_S = 0.5
BEAT_INTERVAL_S = 10.0  # each one is a write to the disk


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
        self.record = record
        self._shards = shards
        self._failures: list[JobFailure] = []
        self._codes: Counter[str] = Counter()
        self._watches = bool(record.arguments.get("watch"))
        self._failing: dict[str, str] = {}  # of a job that watches: codes by path, until they are tried again
        self._settled: list[str] = []
        self._written = 0.0

    def found(self, files: int) -> None:
        """So many files there are, so far."""
        self.record = replace(self.record, state="running", total=max(files, self.record.total))
        self._write_now_and_then()

    def start(
        self,
        total: int,
        *,
        done: int = 0,
        unchanged: int = 0,
        skipped: int = 0,
        failures: Sequence[JobFailure] = (),
    ) -> None:
        """The start of a round. total: how many things there are by now. done: how many more of them need no work,
        failures apart; less than 0 where some are to be looked at again.
        """
        self.record = replace(self.record, state="running", total=total)
        self._add(done=done, unchanged=unchanged, skipped=skipped)
        self.failed(failures)
        self.write()

    def began(self, moment: float) -> None:
        """Work on some files began then, in Unix seconds; the earliest is kept."""
        self.record = replace(self.record, started_at=min(moment, self.record.started_at or moment))

    def count(self, outcomes: Sequence[FileOutcome]) -> None:
        tally = Counter(one.outcome for one in outcomes)
        self._add(
            done=len(outcomes),
            added=tally["created"],
            replaced=tally["replaced"],
            unchanged=tally["unchanged"],
            skipped=tally["skipped"],
        )
        self.noted([JobFailure(one.path, one.code, one.reason) for one in outcomes if one.outcome == "failed"])
        self._write_now_and_then()

    def filled(self, *, images: int, features: int) -> None:
        """Pictures that had something filled in, and how many features and annotations that were."""
        self._add(done=images, added=features)
        self._write_now_and_then()

    def asked(self, questions: int = 1) -> None:
        """So many more questions of an evaluation were answered."""
        self._add(done=questions)
        self._write_now_and_then()

    def failed(self, failures: Sequence[JobFailure]) -> None:
        """Pictures for which nothing could be done."""
        self._add(done=len(failures))
        self.noted(failures)

    @property
    def failing(self) -> frozenset[str]:
        """Of a job that watches: paths of files that could not be taken when they were last tried."""
        return frozenset(self._failing)

    def tried_again(self, paths: Collection[str]) -> None:
        """Of those that are failing: they count as failed no longer, until they fail again."""
        self._failures = [failure for failure in self._failures if failure.path not in paths]
        self._codes = +(self._codes - Counter(self._failing.pop(path) for path in paths))
        self._settled += paths
        self._add(failed=-len(paths))

    def noted(self, failures: Sequence[JobFailure]) -> None:
        """What did not fit beside the pictures that are counted."""
        self._failures += failures
        if self._watches:
            self._failing |= {failure.path: failure.code for failure in failures}
        self._codes.update(failure.code for failure in failures)
        self._add(failed=len(failures))

    def say(self, report: Mapping[str, Any]) -> None:
        """report: as JSON, in place of the last one."""
        self.record = replace(self.record, report=report)

    def end(self, state: str, message: str = "") -> None:
        self.record = replace(self.record, state=state, message=message)
        self.write()

    def write(self) -> None:
        if self._failures or self._settled:
            failures, settled = tuple(self._failures), tuple(self._settled)
            self._shards.ask_patiently(0, AddJobFailures(self.record.id, failures, settled))
            self._failures, self._settled = [], []
        report = {**self.record.report, "failed_by_code": dict(self._codes)} if self._codes else self.record.report
        self.record = replace(self.record, updated_at=time.time(), report=report)
        self._shards.ask_patiently(0, PutJob(self.record))
        self._written = time.monotonic()

    def beat(self) -> None:
        """A sign of life of a job that has nothing to do."""
        if time.monotonic() - self._written > BEAT_INTERVAL_S:
            self.write()

    def _write_now_and_then(self) -> None:
        if time.monotonic() - self._written > RECORD_INTERVAL_S:
            self.write()

    def _add(self, **counts: int) -> None:
        """To the counts of these names."""
        sums: dict[str, Any] = {name: getattr(self.record, name) + count for name, count in counts.items()}
        self.record = replace(self.record, **sums)

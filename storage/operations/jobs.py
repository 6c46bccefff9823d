"""The records of batch jobs, which the first shard of a collection keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation, ThreadGroup
from storage.tables import jobs
from storage.types.jobs import JobFailure, JobRecord


@dataclass(frozen=True, slots=True)
class PutJob(Operation[None]):
    """Raises `InvalidField` for a job without an id."""

    group: ClassVar[ThreadGroup] = "write"

    job: JobRecord

    def run(self, shard: OpenShard) -> None:
        shard.write(lambda transaction: jobs.put_job(transaction, self.job))


@dataclass(frozen=True, slots=True)
class AddJobFailures(Operation[None]):
    """One entry a path: adding one again replaces it."""

    group: ClassVar[ThreadGroup] = "write"

    job_id: str
    failures: tuple[JobFailure, ...]

    def run(self, shard: OpenShard) -> None:
        shard.write(lambda transaction: jobs.add_failures(transaction, self.job_id, self.failures))


@dataclass(frozen=True, slots=True)
class Jobs(Operation[list[JobRecord]]):
    """Newest first."""

    group: ClassVar[ThreadGroup] = "control"

    def run(self, shard: OpenShard) -> list[JobRecord]:
        with shard.store.read() as transaction:
            return jobs.all_jobs(transaction)


@dataclass(frozen=True, slots=True)
class FindJob(Operation[JobRecord | None]):
    """None where there is no such job."""

    group: ClassVar[ThreadGroup] = "control"

    id: str

    def run(self, shard: OpenShard) -> JobRecord | None:
        with shard.store.read() as transaction:
            return jobs.job_by_id(transaction, self.id)


@dataclass(frozen=True, slots=True)
class FailuresOfJob(Operation[list[JobFailure]]):
    """By path."""

    group: ClassVar[ThreadGroup] = "control"

    job_id: str
    offset: int
    limit: int

    def run(self, shard: OpenShard) -> list[JobFailure]:
        with shard.store.read() as transaction:
            return jobs.failures_of(transaction, self.job_id, self.offset, self.limit)

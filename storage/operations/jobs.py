"""The records of batch jobs, which the first shard of a collection keeps."""

from __future__ import annotations

from dataclasses import dataclass

from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation
from storage.tables import jobs
from storage.types.jobs import JobFailure, JobRecord


@dataclass(frozen=True, slots=True)
class PutJob(Operation[None], group="write"):
    """Raises `InvalidField` for a job without an id."""

    job: JobRecord

    def run(self, shard: OpenShard) -> None:
        shard.live.write(lambda transaction: jobs.put_job(transaction, self.job))


@dataclass(frozen=True, slots=True)
class AddJobFailures(Operation[None], group="write"):
    """One entry a path: adding one again replaces it. settled: paths that had one, and are to have none but these."""

    job_id: str
    failures: tuple[JobFailure, ...]
    settled: tuple[str, ...] = ()

    def run(self, shard: OpenShard) -> None:
        shard.live.write(lambda transaction: jobs.add_failures(transaction, self.job_id, self.failures, self.settled))


@dataclass(frozen=True, slots=True)
class Jobs(Operation[list[JobRecord]], group="control"):
    """Newest first."""

    def run(self, shard: OpenShard) -> list[JobRecord]:
        with shard.store.read() as transaction:
            return jobs.all_jobs(transaction)


@dataclass(frozen=True, slots=True)
class FindJob(Operation[JobRecord | None], group="control"):
    """None where there is no such job."""

    id: str

    def run(self, shard: OpenShard) -> JobRecord | None:
        with shard.store.read() as transaction:
            return jobs.job_by_id(transaction, self.id)


@dataclass(frozen=True, slots=True)
class FailuresOfJob(Operation[list[JobFailure]], group="control"):
    """By path."""

    job_id: str
    offset: int
    limit: int

    def run(self, shard: OpenShard) -> list[JobFailure]:
        with shard.store.read() as transaction:
            return jobs.failures_of(transaction, self.job_id, self.offset, self.limit)

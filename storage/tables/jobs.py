"""The table of batch jobs, kept by one shard of a data folder: durable progress, and the files that each job could not
take.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, takewhile

from storage.encoding.keys import digest_key, text_key
from storage.encoding.records import decode_job, encode_job
from storage.errors import InvalidField
from storage.kv.store import ReadTransaction, WriteTransaction
from storage.tables.schema import JOB_FAILURES, JOBS
from storage.types.jobs import JobFailure, JobRecord


def put_job(transaction: WriteTransaction, job: JobRecord) -> None:
    """Raises `InvalidField` for a job without an id."""
    if not job.id:
        raise InvalidField("a job without an id", "give it one")
    transaction.put(JOBS, text_key(job.id), encode_job(job))


def add_failures(
    transaction: WriteTransaction, job_id: str, failures: Sequence[JobFailure], settled: Sequence[str] = ()
) -> None:
    """One entry a path: telling the same failure twice keeps one. settled: paths whose entry is taken out first."""
    for path in settled:
        transaction.delete(JOB_FAILURES, _job_prefix(job_id) + text_key(path))
    for failure in failures:
        transaction.put(JOB_FAILURES, _job_prefix(job_id) + text_key(failure.path), encode_job(failure))


def all_jobs(transaction: ReadTransaction) -> list[JobRecord]:
    """Newest first."""
    jobs = [decode_job(value, JobRecord) for _, value in transaction.items(JOBS)]
    return sorted(jobs, key=lambda job: -job.submitted_at)


def job_by_id(transaction: ReadTransaction, job_id: str) -> JobRecord | None:
    value = transaction.get(JOBS, text_key(job_id)) if job_id else None
    return None if value is None else decode_job(value, JobRecord)


def failures_of(transaction: ReadTransaction, job_id: str, offset: int, limit: int) -> list[JobFailure]:
    """By path, in byte order."""
    prefix = _job_prefix(job_id)
    entries = takewhile(lambda entry: entry[0].startswith(prefix), transaction.items(JOB_FAILURES, prefix))
    return [decode_job(value, JobFailure) for _, value in islice(entries, offset, offset + limit)]


def _job_prefix(job_id: str) -> bytes:
    return digest_key(job_id.encode("utf-8", "surrogatepass"))

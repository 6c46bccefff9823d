"""The table of jobs: durable, and telling the same twice changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage.errors import InvalidField
from storage.operations.jobs import AddJobFailures, FailuresOfJob, FindJob, Jobs, PutJob
from storage.shard.shard import Shard
from storage.types.jobs import JobFailure, JobRecord
from tests.unit.storage.conftest import Reopen

JOB = JobRecord("job-1", "index", "running", 10.0, 11.0, {"paths": ["/photos"]}, total=5)


def test_a_job_is_kept_and_brought_up_to_date(shard: Shard, reopen: Reopen) -> None:
    shard.ask(PutJob(JOB))
    shard.ask(PutJob(replace(JOB, done=5, state="succeeded")))
    shard = reopen()
    assert shard.ask(FindJob("job-1")) == replace(JOB, done=5, state="succeeded")
    assert shard.ask(FindJob("job-2")) is None
    assert shard.ask(FindJob("")) is None


def test_the_newest_job_comes_first(shard: Shard) -> None:
    for number, submitted_at in ((1, 5.0), (2, 9.0), (3, 7.0)):
        shard.ask(PutJob(replace(JOB, id=f"job-{number}", submitted_at=submitted_at)))
    assert [job.id for job in shard.ask(Jobs())] == ["job-2", "job-3", "job-1"]


def test_failures_are_kept_once_a_path_and_come_by_path(shard: Shard) -> None:
    failures = [JobFailure(f"/photos/{name}.jpg", "unreadable_image", "empty") for name in "dbca"]
    shard.ask(AddJobFailures("job-1", tuple(failures)))
    shard.ask(AddJobFailures("job-1", (replace(failures[0], reason="cut off"),)))
    shard.ask(AddJobFailures("job-10", tuple(failures[:1])))
    found = shard.ask(FailuresOfJob("job-1", 0, 9))
    assert [failure.path[8] for failure in found] == ["a", "b", "c", "d"]
    assert found[3].reason == "cut off"
    assert [failure.path[8] for failure in shard.ask(FailuresOfJob("job-1", 1, 2))] == ["b", "c"]
    assert len(shard.ask(FailuresOfJob("job-10", 0, 9))) == 1
    assert shard.ask(FailuresOfJob("job-2", 0, 9)) == []


def test_paths_of_any_length_and_bytes_are_kept(shard: Shard) -> None:
    paths = ["/" + "x" * 4000 + "a", "/" + "x" * 4000 + "b", b"/caf\xe9".decode("utf-8", "surrogateescape")]
    shard.ask(AddJobFailures("job-1", tuple(JobFailure(path, "code", "reason") for path in paths)))
    assert sorted(failure.path for failure in shard.ask(FailuresOfJob("job-1", 0, 9))) == sorted(paths)


def test_a_job_needs_an_id(shard: Shard) -> None:
    with pytest.raises(InvalidField):
        shard.ask(PutJob(replace(JOB, id="")))

"""Waiting for a job to end, with a progress bar where someone is looking, and saying what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from graph.cli.commands.jobs import is_backfill, is_evaluation, is_import, show_outcome
from graph.cli.terminal import output
from graph.cli.terminal.reporting import INTERRUPTED, fail
from storage.errors import DeadlineExceeded, ServiceUnreachable, Unavailable

if TYPE_CHECKING:
    from rich.progress import Progress

    from lookalike_client import Client, Job

POLL_S = 0.3
GO_ON = "start it and run the same command again: what is stored stays, and it goes on from there"
PATIENCE_S = 15.0  # a service that restarts is back by then

Display = Callable[["Job"], None]


def leave_or_follow(
    client: Client,
    job_id: str,
    *,
    detach: bool,
    all_failures: bool = False,
    present: Callable[[Job], None] | None = None,
    watches: bool = False,
) -> Job | None:
    """Write the job's id and leave it to run, or follow it and say what came of it; ends the command where it did not
    end well, or on Ctrl-C. The job that came to its end.

    present: says it, in place of a summary and the failures. watches: the job never ends by itself: Ctrl-C stops it.
    """
    if detach:
        output.say(job_id)
        return None
    try:
        job = follow(client, job_id)
    except KeyboardInterrupt:
        if watches:
            show_outcome(client, client.stop_job(job_id), all_failures=all_failures)
            output.say("watched no longer")
            return None
        fail(
            f"job {job_id} goes on in the background",
            f"see it with `lookalike jobs {job_id}`, stop it with `lookalike jobs stop {job_id}`",
            INTERRUPTED,
        )
    if present is not None:
        present(job)
    else:
        show_outcome(client, job, all_failures=all_failures)
    if watches and job.state == "stopped":
        output.say(f"watched no longer by this job: {job.message}" if job.message else "watched no longer")
        return None
    if job.state != "succeeded":
        fail(
            f"job {job_id} {'was stopped' if job.state == 'stopped' else 'failed'}: {job.message or 'no reason given'}",
            f"run the same command again{'' if is_evaluation(job) else ' to go on where it ended'}",
        )
    away = job.report.get("unreachable")
    if job.kind == "index" and away and job.failed == job.total:
        fail(f"{', '.join(away)} cannot be reached", "check the path; if it is on a drive, mount that")
    if job.kind == "index" and not job.total:
        where = ", ".join(map(str, job.arguments["paths"]))
        if job.report.get("excluded"):
            fail(
                f"no picture file is left in {where}: {job.report['excluded']} excluded",
                "see --exclude, .lookalikeignore",
            )
        fail(f"no picture file was found in {where}", "check the path; docs/getting-started.md lists what is read")
    return job


def follow(client: Client, job_id: str) -> Job:
    """The job once it is finished. Sits out a short absence of the service, which does not stop the job."""
    last_seen = time.monotonic()
    with _display() as display:
        while True:
            try:
                job = client.job(job_id)
            except (ServiceUnreachable, Unavailable, DeadlineExceeded) as failure:
                if time.monotonic() - last_seen <= PATIENCE_S:
                    pass
                elif isinstance(failure, ServiceUnreachable):
                    raise ServiceUnreachable(f"{failure.message} while the job was at work", GO_ON) from failure
                else:
                    raise
            else:
                last_seen = time.monotonic()
                display(job)
                if job.finished:
                    return job
            time.sleep(POLL_S)


@contextmanager
def _display() -> Iterator[Display]:
    """Shows a job; on stderr, so that what goes to stdout stays clean, and only on a terminal."""
    if not sys.stderr.isatty():
        yield lambda job: None
        return
    progress = _progress()
    task = progress.add_task("starting", total=None, counts="", rate="", left="")

    def display(job: Job) -> None:
        rate = rate_of(job)
        left_s = (job.total - job.done) / rate if rate else 0.0
        progress.update(
            task,
            description=_doing(job),
            total=job.total or None,
            completed=job.done,
            counts=_counts(job),
            rate=f"{rate:.0f}/s" if rate else "",
            left=f"{left_s // 60:.0f}:{left_s % 60:02.0f} left" if left_s >= 1 else "",
        )

    with progress:
        yield display


def rate_of(job: Job) -> float:
    """Files that were worked on in a second of work: those that needed none, and the start of the job, do not count."""
    if job.started_at is None:
        return 0.0
    took_s = (job.updated_at - job.started_at).total_seconds()
    worked = job.done - job.unchanged - job.skipped if job.kind == "index" else job.done
    return max(0.0, worked / took_s) if took_s >= 1.0 else 0.0


def _doing(job: Job) -> str:
    if job.state != "running":
        return "starting" if job.state == "queued" else job.state
    if job.arguments.get("watch") and job.done == job.total:
        return "watching"
    if is_evaluation(job):
        return "asking"
    return "computing" if is_backfill(job) else "importing" if is_import(job) else "indexing"


def _counts(job: Job) -> str:
    if is_evaluation(job):
        return ""
    if is_backfill(job):
        return f"{job.added} filled in  {job.failed} failed"
    if is_import(job):
        return f"{job.added} new  {job.replaced} added to  {job.unchanged} unchanged  {job.failed} do not fit"
    replaced = f"{job.replaced} replaced  " if job.replaced else ""
    return f"{job.added} new  {replaced}{job.unchanged} unchanged  {job.failed} failed"


def _progress() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.table import Column

    def text(field: str) -> TextColumn:
        return TextColumn(f"{{task.{field}}}", markup=False, table_column=Column(no_wrap=True))

    return Progress(
        text("description"),
        BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=4)),  # what is left of the line
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        text("fields[rate]"),
        text("fields[counts]"),
        text("fields[left]"),
        console=output.console(stderr=True),
        expand=True,
    )

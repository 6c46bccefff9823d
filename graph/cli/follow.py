"""Waiting for a job to end, with a progress bar where someone is looking."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from graph.cli.output import console
from storage.errors import DeadlineExceeded, ServiceUnreachable, Unavailable

if TYPE_CHECKING:
    from rich.progress import Progress

    from graph.client import Client, Job

POLL_S = 0.3
PATIENCE_S = 15.0  # a service that restarts is back by then

Display = Callable[["Job"], None]


def follow(client: Client, job_id: str) -> Job:
    """The job once it is finished. Sits out a short absence of the service, which does not stop the job."""
    last_seen = time.monotonic()
    with _display() as display:
        while True:
            try:
                job = client.job(job_id)
            except (ServiceUnreachable, Unavailable, DeadlineExceeded):
                if time.monotonic() - last_seen > PATIENCE_S:
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
    task = progress.add_task("queued", total=None, counts="", rate="")
    started = time.monotonic()

    def display(job: Job) -> None:
        progress.update(
            task,
            description="indexing" if job.state == "running" else job.state,
            total=job.total or None,
            completed=job.done,
            counts=f"{job.added} new  {job.unchanged} unchanged  {job.failed} failed",
            rate=f"{job.done / max(time.monotonic() - started, 1e-3):.0f}/s",
        )

    with progress:
        yield display


def _progress() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TextColumn("{task.fields[counts]}", markup=False),
        TimeRemainingColumn(),
        console=console(stderr=True),
    )

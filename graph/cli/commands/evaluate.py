"""``lookalike eval``: how well the service finds the user's own photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graph.cli.commands.follow import leave_or_follow
from graph.cli.terminal import output
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Json, Server, connect, path_at_service
from graph.cli.terminal.evaluating import calibration_text, show_evaluation
from storage.errors import InvalidField

if TYPE_CHECKING:
    from lookalike_client import Client, Job

Folder = Annotated[
    str | None, typer.Argument(metavar="PATH", help="A folder of photos; those of the collection unless said.")
]
Edited = Annotated[int, typer.Option("-n", min=1, max=1000, help="Photos that are asked for by every edit of them.")]
Strangers = Annotated[
    int | None,
    typer.Option(
        "--strangers", min=1, help="Photos that are asked with themselves left out; ten times -n unless said."
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Another one draws other photos.")]
Page = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write a page with the failures as pictures.")
]
Calibrate = Annotated[
    bool,
    typer.Option("--calibrate", help="Store what a match has to be sure of, so that few strangers are called one."),
]
Uncalibrate = Annotated[
    bool, typer.Option("--uncalibrate", help="Take back what --calibrate stored; nothing is measured.")
]
Detach = Annotated[bool, typer.Option("--detach", help="Write the job's id and leave it to run.")]


def evaluate(
    context: typer.Context,
    path: Folder = None,
    n: Edited = 50,
    strangers: Strangers = None,
    seed: Seed = 0,
    as_json: Json = False,
    html: Page = None,
    calibrate: Calibrate = False,
    uncalibrate: Uncalibrate = False,
    detach: Detach = False,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
) -> None:
    """Measure on your own photos how well they are found: edits of them, and photos that are left out. No picture
    is added or changed. It takes ten minutes at most.
    """
    if html is not None and not html.absolute().parent.is_dir():
        raise InvalidField(f"there is no folder {str(html.parent)!r}", "check the path of --html")
    if html is not None and detach:
        raise InvalidField("--html goes without --detach", "leave one of them away")
    if uncalibrate and (calibrate or path is not None):
        raise InvalidField("--uncalibrate goes alone", "leave the others away")
    with connect(context, server, api_key) as client:
        if uncalibrate:
            client.forget_thresholds()
            output.say("matches are told as the package tells them")
            return
        where = None if path is None else path_at_service(path, server, follow_links=True)
        job_id = client.submit_eval(where, n=n, strangers=strangers, seed=seed, calibrate=calibrate)

        def present(job: Job) -> None:
            if "edits" in job.report:
                _present(client, job, as_json, html)

        leave_or_follow(client, job_id, detach=detach, present=present)


def _present(client: Client, job: Job, as_json: bool, html: Path | None) -> None:
    if as_json:
        output.show_json(job.report)
    else:
        show_evaluation(job.report)
        if job.arguments.get("calibrate"):
            output.say(calibration_text(job.report))
        if job.report["failures"] and html is None:
            count = len(job.report["failures"]) + job.report["failures_left_out"]
            output.say(f"{output.counted(count, 'answer')} not right: see them as pictures with --html FILE")
    if html is not None:
        from graph.cli.commands.evaluation_page import evaluation_page  # with Pillow and NumPy

        html.write_text(evaluation_page(job, client), "utf-8")
        if not as_json:
            output.say(f"written to {html}")

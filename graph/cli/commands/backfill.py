"""``lookalike backfill``: compute what stored pictures lack, and follow the job."""

from __future__ import annotations

from typing import Annotated

import typer

from graph.cli.commands.follow import follow_to_the_end
from graph.cli.terminal import output
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Server, connect

Feature = Annotated[
    str | None,
    typer.Argument(metavar="FEATURE", help="The extractor or annotator, such as global; all of them unless said."),
]
AllowMissing = Annotated[
    bool,
    typer.Option(
        "--allow-missing", help="Move over to another model even where pictures of the old index are left behind."
    ),
]
Detach = Annotated[bool, typer.Option("--detach", help="Write the job's id and leave it to run.")]


def backfill(
    context: typer.Context,
    feature: Feature = None,
    allow_missing: AllowMissing = False,
    detach: Detach = False,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
) -> None:
    """Compute the features and annotations that stored pictures lack. Searches and writes go on meanwhile."""
    with connect(context, server, api_key) as client:
        job_id = client.submit_backfill(feature, allow_missing=allow_missing)
        if detach:
            output.say(job_id)
            return
        follow_to_the_end(client, job_id)

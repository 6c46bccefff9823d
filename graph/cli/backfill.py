"""``lookalike backfill``: compute what stored pictures lack, and follow the job."""

from __future__ import annotations

from typing import Annotated

import typer

from graph.cli import output
from graph.cli.connection import DEFAULT_SERVER, ApiKey, Server, connect
from graph.cli.follow import follow_to_the_end

Feature = Annotated[
    str | None,
    typer.Argument(metavar="FEATURE", help="The extractor or annotator, such as global; all of them unless said."),
]
Detach = Annotated[bool, typer.Option("--detach", help="Write the job's id and leave it to run.")]


def backfill(
    context: typer.Context,
    feature: Feature = None,
    detach: Detach = False,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
) -> None:
    """Compute the features and annotations that stored pictures lack. Searches and writes go on meanwhile."""
    with connect(context, server, api_key) as client:
        job_id = client.submit_backfill(feature)
        if detach:
            output.say(job_id)
            return
        follow_to_the_end(client, job_id)

"""``lookalike train``: the index of a local feature, trained now."""

from __future__ import annotations

from typing import Annotated

import typer

from graph.cli.terminal import output
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Json, Server, connect


def train(
    context: typer.Context,
    feature: Annotated[str, typer.Argument(metavar="FEATURE", help="The feature, such as local.")],
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
) -> None:
    """Train the index of a local feature in every shard. Searches and writes go on meanwhile."""
    with connect(context, server, api_key) as client:
        training = client.train(feature)
    if as_json:
        output.show_json(training)
        return
    rows = [
        [str(shard.shard), str(shard.rows), str(shard.lists), f"{shard.took_s:.1f}", shard.reason]
        for shard in training.shards
    ]
    output.show_table(["shard ", "rows ", "lists ", "seconds ", "not trained because"], rows)

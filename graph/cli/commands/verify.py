"""``lookalike verify``: do the store and the indexes agree?"""

from __future__ import annotations

import typer

from graph.cli.terminal import output
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Json, Server, connect
from graph.cli.terminal.reporting import fail


def verify(
    context: typer.Context, as_json: Json = False, server: Server = DEFAULT_SERVER, api_key: ApiKey = None
) -> None:
    """Compare every shard's store with its indexes, row by row. Fails where they differ."""
    with connect(context, server, api_key) as client:
        verification = client.verify()
    if as_json:
        output.show_json(verification)
    else:
        rows = [
            [str(check.shard), str(check.images), str(check.checked_rows), "; ".join(check.problems) or "none"]
            for check in verification.shards
        ]
        output.show_table(["shard ", "images ", "rows checked ", "problems"], rows)
    if not verification.ok:
        fail("the store and the indexes do not agree", "restart the service, which rebuilds its indexes from the store")

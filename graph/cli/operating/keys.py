"""``lookalike keys``: API keys for a service's configuration."""

from __future__ import annotations

from typing import Annotated

import typer

from graph.cli.terminal.connection import example

NEW = "lookalike keys new camera --rights read,write"
app = typer.Typer(name="keys", rich_markup_mode=None, invoke_without_command=True, epilog=example(NEW))

Name = Annotated[str, typer.Argument(metavar="NAME", help="Who or what uses it: logs name it.")]
Rights = Annotated[
    str, typer.Option("--rights", metavar="LIST", help="Of read, write and admin, comma-separated; none has another.")
]
Expires = Annotated[
    str | None,
    typer.Option("--expires", metavar="WHEN", help="A day, which begins at midnight UTC, or a time in ISO 8601."),
]
PerMinute = Annotated[
    int | None,
    typer.Option("--requests-per-minute", metavar="N", help="Most requests that a router answers in a minute."),
]


@app.callback()
def keys(context: typer.Context) -> None:
    """Make API keys."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command(
    "new", epilog=example(NEW, "lookalike keys new guest --rights read --expires 2027-01-31 --requests-per-minute 60")
)
def new(name: Name, rights: Rights, expires: Expires = None, requests_per_minute: PerMinute = None) -> None:
    """Make a key: it is shown once; the configuration keeps its hash. Asks no service."""
    from graph.config.api_keys import new_key
    from graph.config.keyring import as_yaml

    listed = [right.strip() for right in rights.split(",") if right.strip()]
    key, kept = new_key(name, listed, expires, requests_per_minute)
    print("The key, which is shown this once:\n")
    print(f"  {key}\n")
    print("What to keep, in api_keys of the configuration or in the file that api_keys_file names:\n")
    print(as_yaml(kept))

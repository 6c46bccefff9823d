"""The commands of ``lookalike``, put together. Each imports what it needs when it runs; only ``serve`` loads Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graph.cli.commands import (
    duplicates,
    evaluate,
    images,
    jobs,
    library,
    listing,
    models,
    same,
    search,
    service,
    submit,
)
from graph.cli.operating import keys
from graph.cli.terminal.connection import example
from graph.cli.terminal.reporting import ReportingGroup

app = typer.Typer(
    name="lookalike",
    cls=ReportingGroup,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=example("lookalike serve", "lookalike index ~/Pictures", "lookalike search photo.jpg"),
)


def main() -> None:
    """The console script."""
    app(prog_name="lookalike")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"lookalike {version('lookalike')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def lookalike(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Write the version.")
    ] = False,
) -> None:
    """Find pictures: the same picture, an edited copy, a picture with the same colours."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def serve(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="[CONFIG.yaml]", help="A Ray Serve config file; otherwise the one for one machine."),
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Folder for the data.")] = None,
    host: Annotated[str | None, typer.Option("--host", metavar="H", help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", metavar="P", min=1, max=65535, help="Port to listen on.")
    ] = None,
) -> None:
    """Start (or join) Ray and the service; stays until Ctrl-C."""
    from graph.cli.commands.serve import serve_command

    serve_command(config=config, data=data, host=host, port=port)


app.command("serve", epilog=example("lookalike serve --data ./data --port 8000"))(serve)
app.command(
    "index",
    epilog=example(
        "lookalike index ~/Pictures",
        "lookalike index ~/Pictures --exclude '*.gif' --prune",
        "lookalike index ~/Pictures --watch",
    ),
)(submit.index)
app.command(
    "library",
    epilog=example("lookalike library", "lookalike library unwatch ~/Pictures", "lookalike library forget ~/Pictures"),
)(library.library)
JOB = "index-20260131-120000-1a2b3c"
app.command("jobs", epilog=example("lookalike jobs list", f"lookalike jobs {JOB}", f"lookalike jobs stop {JOB}"))(
    jobs.jobs
)
app.command(
    "search",
    epilog=example(
        "lookalike search photo.jpg -k 5",
        "lookalike search photo.jpg --all",
        "lookalike search photo.jpg --weights phash=2,color=0.5 --max-distance phash=64",
        "lookalike search photo.jpg --features phash --param phash.orientations=all",
        "lookalike search --text 'a bridge' --text-not 'at night'",
        "lookalike search --id 2019/bridge.jpg --json",
        "lookalike search photo.jpg --filter 'taken_at = 2019-06 and not tags = \"night\"'",
    ),
)(search.search)
app.command("same", epilog=example("lookalike same photo.jpg copy.jpg", "lookalike same photo.jpg id:2019/bridge.jpg"))(
    same.same
)
app.command(
    "list",
    epilog=example("lookalike list --filter 'folder = \"2019\"'", "lookalike list --sort taken_at --order desc -n 20"),
)(listing.list_pictures)
app.command("add", epilog=example("lookalike add bridge.jpg --id bridge"))(images.add)
app.command("rm", epilog=example("lookalike rm bridge 2019/old.jpg"))(images.remove)
app.command("show", epilog=example("lookalike show bridge"))(images.show)
app.command(
    "duplicates",
    epilog=example(
        "lookalike duplicates --relation edited,crop",
        "lookalike duplicates different 2019/a.jpg mail/a.jpg --note 'two shots'",
        "lookalike duplicates --move ~/duplicates --dry-run",
        "lookalike duplicates --undo ~/duplicates",
    ),
)(duplicates.duplicates)
app.command("tags", epilog=example("lookalike tags photo.jpg"))(images.tags)
app.command("caption", epilog=example("lookalike caption photo.jpg"))(images.caption)
app.command("status", epilog=example("lookalike status", "lookalike status --server http://photos:8000"))(
    service.status
)
app.command("verify", epilog=example("lookalike verify"))(service.verify)
app.command("train", epilog=example("lookalike train local"))(service.train)
app.command("backfill", epilog=example("lookalike backfill", "lookalike backfill global --detach"))(submit.backfill)
app.command(
    "eval",
    epilog=example("lookalike eval", "lookalike eval ~/Pictures -n 20 --html eval.html", "lookalike eval --json"),
)(evaluate.evaluate)
app.command(
    "import-ambience",
    epilog=example(
        "lookalike import-ambience /srv/ambience --dry-run",
        "lookalike import-ambience /srv/ambience --photos /srv/photos",
    ),
)(submit.import_ambience)
app.add_typer(keys.app)
app.add_typer(models.app)

"""``lookalike index``, ``backfill`` and ``import-ambience``: submit a batch job and follow it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from graph.cli.commands.follow import leave_or_follow
from graph.cli.commands.jobs import show_import, summary
from graph.cli.terminal import output
from graph.cli.terminal.asking import agreed
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Json, Server, connect, path_at_service
from graph.cli.terminal.reporting import fail
from storage.errors import InvalidField

if TYPE_CHECKING:
    from lookalike_client import Client, Job

SHOWN = 20

Detach = Annotated[bool, typer.Option("--detach", help="Write the job's id and leave it to run.")]

Paths = Annotated[list[str], typer.Argument(metavar="PATH", help="Files and folders of pictures.")]
IdFrom = Annotated[
    Literal["path", "stem", "sha256", "int"],
    typer.Option("--id-from", help="What becomes the id: the path, the name without its ending, the hash, a number."),
]
OnConflict = Annotated[
    Literal["skip", "replace"], typer.Option("--on-conflict", help="What to do with a file whose id is taken.")
]
Watch = Annotated[bool, typer.Option("--watch", help="Go on with files that appear or change later, until Ctrl-C.")]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="GLOB", help="Leave out what matches, as in a .gitignore; may be repeated."),
]
Prune = Annotated[bool, typer.Option("--prune", help="Remove the pictures whose files are gone; shows them and asks.")]
Yes = Annotated[bool, typer.Option("--yes", help="With --prune: remove without asking.")]
AllFailures = Annotated[bool, typer.Option("--failures", help="List every file that could not be read.")]

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

Folders = Annotated[
    list[str], typer.Argument(metavar="DIR", help="Folders that hold the services' data, however deep.")
]
PhotoFolder = Annotated[
    str | None,
    typer.Option("--photos", metavar="DIR", help="Folder of the photos: thumbnails, sizes, and what the data lacks."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and check everything, report the same, write nothing.")]
Ranges = Annotated[
    str | None,
    typer.Option(
        "--keypoint-ranges",
        metavar="FILE.csv|URL",
        help="The table img_points: a CSV file, or postgresql://... to ask the database.",
    ),
]
Features = Annotated[
    list[str] | None,
    typer.Option("--feature", metavar="DIR=NAME", help="What the vectors below a folder are; may be repeated."),
]


def index(
    context: typer.Context,
    paths: Paths,
    id_from: IdFrom = "path",
    on_conflict: OnConflict = "replace",
    watch: Watch = False,
    exclude: Exclude = None,
    prune: Prune = False,
    yes: Yes = False,
    detach: Detach = False,
    failures: AllFailures = False,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
) -> None:
    """Index files and folders, again and again: what is unchanged is passed over, what was renamed or moved keeps its
    row, what was deleted is marked as missing. Bad files are listed.
    """
    if prune and (watch or detach):
        raise InvalidField("--prune goes without --watch and --detach", "index once with --prune, then watch")
    if yes and not prune:
        raise InvalidField("--yes needs --prune", "leave it away")
    with connect(context, server, api_key) as client:
        found = [path_at_service(path, server, follow_links=True) for path in paths]
        submit = partial(
            client.submit_index, found, id_from=id_from, on_conflict=on_conflict, exclude=tuple(exclude or ())
        )
        job = leave_or_follow(
            client, submit(watch=watch, prune=prune and yes), detach=detach, all_failures=failures, watches=watch
        )
        if prune and not yes and job is not None:
            _ask_to_prune(client, job)


def _ask_to_prune(client: Client, job: Job) -> None:
    """Shows the pictures whose files are gone, and removes just these if somebody says so."""
    away: list[str] = job.report.get("unreachable", [])
    if away:
        fail(f"{', '.join(away)} cannot be reached: nothing was removed", "mount its drive, then run it again")
    places = (json.dumps(path) for path in job.arguments["paths"])
    where = " or ".join(f"folder = {place} or path = {place}" for place in places)
    gone = list(client.images(filter=f"missing = true and ({where})"))
    if not gone:
        output.say("no file is gone: nothing to remove")
        return
    for row in gone[:SHOWN]:
        output.say(f"  {row.path}")
    if len(gone) > SHOWN:
        output.say(f"  ... and {len(gone) - SHOWN} more")
    what = output.counted(len(gone), "picture")
    if not agreed(f"remove {what} from the collection", "--prune"):
        output.say("nothing was removed")
        return
    for row in gone:
        client.delete(row.id, stays_out=False)
    output.say(f"{what} removed, whose files are gone")


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
        leave_or_follow(client, job_id, detach=detach)


def import_ambience(
    context: typer.Context,
    folders: Folders,
    photos: PhotoFolder = None,
    dry_run: DryRun = False,
    keypoint_ranges: Ranges = None,
    features: Features = None,
    detach: Detach = False,
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
) -> None:
    """Import the data folders of the original services. Again: only what is new; with --photos later: adds them."""
    with connect(context, server, api_key) as client:
        job_id = client.submit_import(
            [path_at_service(folder, server) for folder in folders],
            photos=None if photos is None else path_at_service(photos, server),
            dry_run=dry_run,
            keypoint_ranges=None if keypoint_ranges is None else _path_or_url(keypoint_ranges, server),
            features=_features(features or (), server),
        )
        leave_or_follow(client, job_id, detach=detach, present=output.show_json if as_json else _show_imported)


def _show_imported(job: Job) -> None:
    output.say(summary(job))
    show_import(job)
    if job.failed:
        output.say(f"all of it: lookalike jobs {job.id}")


def _path_or_url(source: str, server: str) -> str:
    return source if "://" in source else path_at_service(source, server)


def _features(parts: Sequence[str], server: str) -> dict[str, str]:
    """["old=global"] -> {"/srv/old": "global"}."""
    found = {}
    for part in parts:
        folder, _, name = part.rpartition("=")
        if not folder or not name:
            raise InvalidField(f"--feature cannot use {part!r}", "write it like --feature /srv/features=global")
        found[path_at_service(folder, server)] = name
    return found

"""``lookalike import-ambience``: the data of an original installation becomes Lookalike's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from graph.cli.commands import import_report
from graph.cli.commands.follow import follow_to_the_end
from graph.cli.terminal import output
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Json, Server, connect
from graph.loopback import is_loopback
from storage.errors import InvalidField

if TYPE_CHECKING:
    from graph.client import Job

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
Detach = Annotated[bool, typer.Option("--detach", help="Write the job's id and leave it to run.")]


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
            [_path(folder, server) for folder in folders],
            photos=None if photos is None else _path(photos, server),
            dry_run=dry_run,
            keypoint_ranges=None if keypoint_ranges is None else _path_or_url(keypoint_ranges, server),
            features=_features(features or (), server),
        )
        if detach:
            output.say(job_id)
            return
        follow_to_the_end(client, job_id, present=output.show_json if as_json else _show)


def _show(job: Job) -> None:
    output.say(import_report.summary(job))
    import_report.show(job)
    if job.failed:
        output.say(f"all of it: lookalike jobs {job.id}")


def _path(path: str, server: str) -> str:
    """As the service has to know it. One on this machine sees the same files, so they are checked here."""
    if is_loopback(urlsplit(server).hostname or "") and not os.path.exists(path):
        raise InvalidField(f"there is no file or folder {path!r}", "check the path")
    return os.path.abspath(path)


def _path_or_url(source: str, server: str) -> str:
    return source if "://" in source else _path(source, server)


def _features(parts: Sequence[str], server: str) -> dict[str, str]:
    """["old=global"] -> {"/srv/old": "global"}."""
    found = {}
    for part in parts:
        folder, _, name = part.rpartition("=")
        if not folder or not name:
            raise InvalidField(f"--feature cannot use {part!r}", "write it like --feature /srv/features=global")
        found[_path(folder, server)] = name
    return found

"""``lookalike jobs``: batch jobs, one job with its failed files, stopping one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graph.cli.terminal import output
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Json, Server, connect
from graph.cli.terminal.evaluating import show_evaluation
from storage.errors import InvalidField

if TYPE_CHECKING:
    from lookalike_client import Client, Job, JobFailure

FAILURES_SHOWN = 20
FAILURES_PAGE = 100
TABLE_COUNTS = ("entries", "imported", "unchanged", "left_out")

Words = Annotated[
    list[str] | None, typer.Argument(metavar="list | ID | stop ID", help="A job's id; without it, all jobs are listed.")
]


def jobs(
    context: typer.Context,
    words: Words = None,
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
) -> None:
    """List the batch jobs, show one with its failed files, or stop one."""
    with connect(context, server, api_key) as client:
        match words or []:
            case [] | ["list"]:
                _list(client, as_json)
            case ["stop"]:
                raise InvalidField("jobs stop needs a job's id", "see `lookalike jobs` for the ids")
            case ["stop", job_id]:
                _stop(client, job_id, as_json)
            case [job_id]:
                _show(client, job_id, as_json)
            case _:
                raise InvalidField("jobs takes nothing, list, ID, or stop ID", "see `lookalike jobs --help`")


def is_import(job: Job) -> bool:
    """Whether the job's counts are of pictures that came with features, and its failures of all that did not fit."""
    return job.kind == "import"


def is_backfill(job: Job) -> bool:
    """Whether the job's counts are of images and features that they lacked, and not of files."""
    return job.kind == "backfill"


def is_evaluation(job: Job) -> bool:
    """Whether the job's counts are of searches."""
    return job.kind == "eval"


def summary(job: Job) -> str:
    """What came of a job, in one line."""
    if is_import(job):
        return _import_summary(job)
    if is_backfill(job):
        filled, failed = output.counted(job.added, "feature"), output.counted(job.failed, "image")
        return f"filled in {filled}, {failed} could not be filled in"
    return f"indexed {', '.join(_index_counts(job))}"


def _index_counts(job: Job) -> Iterator[str]:
    taken = job.report.get("failed_by_code", {}).get("image_exists", 0)
    yield f"{job.added} new"
    yield f"{job.replaced} replaced"
    if moved := job.report.get("moved", 0):
        yield f"{moved} moved"
    yield f"{job.unchanged} unchanged"
    yield f"{job.failed - taken} could not be read"
    if taken:
        yield f"{taken} whose id is taken"
    if job.skipped:
        yield f"{job.skipped} skipped (id taken)"


def show_outcome(client: Client, job: Job, *, all_failures: bool) -> None:
    """What came of a job, with what it left alone and what it could not take."""
    output.say(summary(job))
    for line in _remarks(job):
        output.say(line)
    if job.failed:
        show_failures(client, job, limit=None if all_failures else FAILURES_SHOWN)


def _remarks(job: Job) -> list[str]:
    """What an indexing job left alone, and what it found gone; a line each."""
    report = job.report
    endings: Mapping[str, int] = report.get("passed_over", {})
    lines = []
    if endings:
        remedies: Mapping[str, str] = report.get("remedies", {})
        kinds = [
            f"{count} {ending or 'without an ending'}" + (f" ({remedies[ending]})" if ending in remedies else "")
            for ending, count in endings.items()
        ]
        others = report.get("passed_over_others", 0)
        if others:
            kinds.append(f"{others} of other kinds")
        lines.append(f"{sum(endings.values()) + others} passed over: {', '.join(kinds)}")
    if report.get("hidden_files"):
        lines.append(f"{output.counted(report['hidden_files'], 'hidden file')} passed over")
    if report.get("linked_files"):
        lines.append(f"{output.counted(report['linked_files'], 'link')} to files that are counted already")
    if report.get("excluded"):
        lines.append(f"{report['excluded']} excluded")
    if report.get("kept_out"):
        lines.append(f"{report['kept_out']} kept out, for they were removed by hand: name a file to take it in again")
    if report.get("missing", {}).get("count"):
        lines.append(f"{output.counted(report['missing']['count'], 'picture')} without a file: marked as missing")
    if report.get("pruned"):
        lines.append(f"{output.counted(report['pruned'], 'picture')} removed, whose files are gone")
    for name, what in (("hidden_folders", "hidden folder"), ("linked_folders", "linked folder")):
        told = report.get(name, {"count": 0})
        if told["count"]:
            more = ", ..." if told["count"] > len(told["examples"]) else ""
            lines.append(f"{output.counted(told['count'], what)} not looked into: {', '.join(told['examples'])}{more}")
    return lines


def show_failures(client: Client, job: Job, limit: int | None = None) -> None:
    """A table of the files that the job could not take, or the images. limit: None shows all."""
    failures = list(islice(_failures(client, job.id), limit))
    where = "image" if is_backfill(job) else "where" if is_import(job) else "file"
    output.show_table(
        [where, "code", "reason"],
        [[failure.path, failure.code, failure.reason] for failure in failures],
        long=(where, "reason"),
    )
    if len(failures) < job.failed:
        output.say(f"... and {job.failed - len(failures)} more: lookalike jobs {job.id}")


def _failures(client: Client, job_id: str) -> Iterator[JobFailure]:
    offset: int | None = 0
    while offset is not None:
        page = client.job_failures(job_id, offset=offset, limit=FAILURES_PAGE)
        yield from page.failures
        offset = page.next_offset


def _list(client: Client, as_json: bool) -> None:
    found = client.jobs()
    if as_json:
        output.show_json(found)
        return
    if not found and output.on_terminal():
        output.say("no job has run yet: lookalike index PATH")
        return
    headings = ["id", "kind", "state", "files ", "failed ", "submitted", "what", "reason"]
    rows = [
        [
            job.id,
            job.kind,
            job.state,
            _progress(job),
            str(job.failed),
            output.moment(job.submitted_at),
            _subject(job),
            job.message,
        ]
        for job in found
    ]
    if output.on_terminal():  # the id begins with the kind
        headings, *rows = [[line[0], *line[2:]] for line in (headings, *rows)]
    output.show_table(headings, rows, long=("id", "what", "reason"))


def _subject(job: Job) -> str:
    """What the job is of: the paths, or what a backfill fills in."""
    if is_evaluation(job):
        return str(job.arguments.get("path") or "the collection")
    paths = job.arguments.get("paths")
    return ", ".join(map(str, paths)) if paths else str(job.arguments.get("feature") or "everything")


def _show(client: Client, job_id: str, as_json: bool) -> None:
    job = client.job(job_id)
    if as_json:
        output.show_json({"job": job, "failures": list(_failures(client, job_id))})
        return
    output.show_pairs(
        {
            "id": job.id,
            "kind": job.kind,
            "state": job.state,
            **({"message": job.message} if job.message else {}),
            **_counts(job),
            "submitted": output.moment(job.submitted_at),
            "updated": output.moment(job.updated_at),
            **{name: _argument(value) for name, value in job.arguments.items() if value is not None},
        }
    )
    if is_import(job):
        show_import(job)
    if is_evaluation(job) and job.report:
        show_evaluation(job.report)
    for line in _remarks(job):
        output.say(line)
    if job.failed:
        show_failures(client, job)


def _counts(job: Job) -> dict[str, str]:
    if is_evaluation(job):
        return {"searches": _progress(job)}
    if is_backfill(job):
        return {"images": _progress(job), "filled in": str(job.added), "failed": str(job.failed)}
    names = ("added", "replaced", "unchanged", "skipped", "failed")
    of = "images" if is_import(job) else "files"
    return {of: _progress(job), **{name: str(getattr(job, name)) for name in names}}


def _stop(client: Client, job_id: str, as_json: bool) -> None:
    job = client.stop_job(job_id)
    if as_json:
        output.show_json(job)
    else:
        output.say(f"job {job.id} is {job.state if job.finished else 'stopping'}")


def _progress(job: Job) -> str:
    return f"{job.done}/{job.total}"


def _argument(value: object) -> str:
    if isinstance(value, dict):
        value = [f"{name}={one}" for name, one in value.items()]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _import_summary(job: Job) -> str:
    verb = "would import" if job.report.get("dry_run") else "imported"
    line = f"{verb} {job.added} new, {job.replaced} added to, {job.unchanged} unchanged"
    skipped = f", {job.skipped} skipped (nothing of them has a place here)" if job.skipped else ""
    verb = "does" if job.failed == 1 else "do"
    return f"{line}{skipped}; {output.counted(job.failed, 'thing')} {verb} not fit"


def show_import(job: Job) -> None:
    """Table by table what was there and what became of it, then what does not fit, with examples."""
    report = job.report
    tables = report.get("tables", ())
    if tables:
        output.show_table(
            ["feature", "entries ", "imported ", "unchanged ", "left out ", "table"],
            [[table["feature"], *(str(table[name]) for name in TABLE_COUNTS), table["path"]] for table in tables],
            long=("table",),
        )
    for told in (*tables, *report.get("keypoints", ())):
        if told["reason"]:
            output.say(f"{told['path']}: {_keypoints(told)}{told['reason']}")
    if report.get("photos"):
        photos = report["photos"]
        counts = f"{photos['attached']} attached, {photos['there']} there already, {photos['missing']} missing"
        output.say(f"photos in {photos['folder']}: {counts}")
    if report.get("defects"):
        output.show_table(
            ["does not fit", "number ", "for example"],
            [[defect["code"], str(defect["count"]), defect["examples"][0]] for defect in report["defects"]],
            long=("for example",),
        )


def _keypoints(told: Mapping[str, Any]) -> str:
    """Of local features, how many there are."""
    if "keypoints" not in told:
        return ""
    owned = f" of {told['images']} pictures, {told['whole']} of them whole" if told["images"] else ""
    return f"{told['keypoints']} keypoints and {told['descriptors']} descriptors{owned}: "

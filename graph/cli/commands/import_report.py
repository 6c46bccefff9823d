"""What came of an import, in words and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graph.cli.terminal import output
from graph.cli.terminal.text import counted

if TYPE_CHECKING:
    from graph.client import Job


def summary(job: Job) -> str:
    """One line."""
    verb = "would import" if job.report.get("dry_run") else "imported"
    line = f"{verb} {job.added} new, {job.replaced} added to, {job.unchanged} unchanged"
    skipped = f", {job.skipped} skipped (nothing of them has a place here)" if job.skipped else ""
    verb = "does" if job.failed == 1 else "do"
    return f"{line}{skipped}; {counted(job.failed, 'thing')} {verb} not fit"


def show(job: Job) -> None:
    """Table by table what was there and what became of it, then what does not fit, with examples."""
    report = job.report
    tables = report.get("tables", ())
    if tables:
        output.show_table(
            ["feature", "entries ", "imported ", "unchanged ", "left out ", "table"],
            [[table["feature"], *_figures(table), table["path"]] for table in tables],
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
        )


def _figures(table: Mapping[str, Any]) -> list[str]:
    return [str(table[name]) for name in ("entries", "imported", "unchanged", "left_out")]


def _keypoints(told: Mapping[str, Any]) -> str:
    """Of local features, how many there are."""
    if "keypoints" not in told:
        return ""
    owned = f" of {told['images']} pictures, {told['whole']} of them whole" if told["images"] else ""
    return f"{told['keypoints']} keypoints and {told['descriptors']} descriptors{owned}: "

"""``lookalike status``: the service, its extractors and annotators, and its shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from graph.cli.terminal import output
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Json, Server, connect
from graph.cli.terminal.reporting import warn
from graph.cli.terminal.text import bytes_text

if TYPE_CHECKING:
    from graph.client import FeatureReport, Job, Readiness, ServiceStats


def status(
    context: typer.Context, as_json: Json = False, server: Server = DEFAULT_SERVER, api_key: ApiKey = None
) -> None:
    """Show the service: its extractors and annotators, shards, counts, and sizes on disk and in memory."""
    with connect(context, server, api_key) as client:
        readiness, features, stats = client.ready(), client.features(), client.stats()
        running = [job for job in client.jobs() if not job.finished]
    if as_json:
        output.show_json({"server": server, "ready": readiness, "features": features, "stats": stats, "jobs": running})
        return
    _show_service(server, readiness, stats, running)
    _show_features(features, stats)
    _show_shards(stats)
    for shard in stats.missing_shards:
        warn(f"shard {shard} does not answer, so its images are not counted", "it is restarted by itself; look again")


def _show_service(server: str, readiness: Readiness, stats: ServiceStats, running: list[Job]) -> None:
    state = "ready" if readiness.ready else "not ready: " + ", ".join(readiness.missing)
    output.show_pairs(
        {
            "service": server,
            "state": state,
            "images": str(stats.images),
            "on disk": _size(stats.disk_bytes),
            "in memory": _size(stats.memory_bytes),
            "jobs running": ", ".join(f"{job.id} ({job.done}/{job.total})" for job in running) or "none",
        }
    )


def _show_features(features: tuple[FeatureReport, ...], stats: ServiceStats) -> None:
    rows = [
        [
            report.name,
            report.role,
            report.state,
            report.kind or "",
            str(report.dim or ""),
            report.index_kind or "",
            str(report.replicas),
            str(stats.pending.get(report.name, 0)),
            _reason(report),
        ]
        for report in features
    ]
    headings = ["part", "role", "state", "kind", "dim ", "index", "replicas ", "pending images ", "reason"]
    _separate()
    output.show_table(headings, rows)


def _reason(report: FeatureReport) -> str:
    """Why it is not ready, or what it is about to become."""
    if report.next_version is None:
        return report.reason
    moving = f"its index is being built for version {report.next_version}"
    return f"{report.reason}; {moving}" if report.reason else moving


def _show_shards(stats: ServiceStats) -> None:
    rows = [
        [str(shard.shard), str(shard.images), _size(shard.disk_bytes), _size(shard.memory_bytes)]
        for shard in stats.shards
    ]
    _separate()
    output.show_table(["shard ", "images ", "on disk ", "in memory "], rows)


def _separate() -> None:
    """An empty line between tables, for programs that read them as for people."""
    output.say("")


def _size(count: int) -> str:
    return bytes_text(count) if output.on_terminal() else str(count)

"""``lookalike status``: the service, its extractors and annotators, and its shards. ``verify``: do the store and the
indexes agree? ``train``: the index of a local feature, trained now.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from graph.cli.terminal import output
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Json, Server, connect
from graph.cli.terminal.evaluating import thresholds_text
from graph.cli.terminal.reporting import fail, warn
from graph.cli.terminal.waiting import waiting_for

if TYPE_CHECKING:
    from lookalike_client import FeatureReport, Job, Readiness, ServiceStats


def status(
    context: typer.Context, as_json: Json = False, server: Server = DEFAULT_SERVER, api_key: ApiKey = None
) -> None:
    """Show the service: its extractors and annotators, shards, counts, and sizes on disk and in memory."""
    figures = "the figures of every shard"
    with connect(context, server, api_key) as client, waiting_for(figures, "a shard that stays silent is left out"):
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
            "on disk": output.byte_size(stats.disk_bytes),
            "in memory": output.byte_size(stats.memory_bytes),
            **({} if stats.thresholds is None else {"thresholds": thresholds_text(asdict(stats.thresholds))}),
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
    output.show_table(headings, rows, long=("reason",))


def _reason(report: FeatureReport) -> str:
    """Why it is not ready, or what it is about to become."""
    if report.next_version is None:
        return report.reason
    moving = f"its index is being built for version {report.next_version}"
    return f"{report.reason}; {moving}" if report.reason else moving


def _show_shards(stats: ServiceStats) -> None:
    rows = [
        [str(shard.shard), str(shard.images), output.byte_size(shard.disk_bytes), output.byte_size(shard.memory_bytes)]
        for shard in stats.shards
    ]
    _separate()
    output.show_table(["shard ", "images ", "on disk ", "in memory "], rows)


def _separate() -> None:
    """An empty line between tables, for programs that read them as for people."""
    output.say("")


def verify(
    context: typer.Context, as_json: Json = False, server: Server = DEFAULT_SERVER, api_key: ApiKey = None
) -> None:
    """Compare every shard's store with its indexes, row by row. Fails where they differ."""
    until = "a large collection takes minutes, and a shard that stays silent fails it within limits.verify_timeout_s"
    with connect(context, server, api_key) as client, waiting_for("every shard to compare its rows", until):
        verification = client.verify()
    if as_json:
        output.show_json(verification)
    else:
        rows = [
            [str(check.shard), str(check.images), str(check.checked_rows), "; ".join(check.problems) or "none"]
            for check in verification.shards
        ]
        output.show_table(["shard ", "images ", "rows checked ", "problems"], rows, long=("problems",))
    if not verification.ok:
        fail("the store and the indexes do not agree", "restart the service, which rebuilds its indexes from the store")


def train(
    context: typer.Context,
    feature: Annotated[str, typer.Argument(metavar="FEATURE", help="The feature, such as local.")],
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
) -> None:
    """Train the index of a local feature in every shard. Searches and writes go on meanwhile."""
    until = "that takes minutes, and a shard that stays silent fails it within limits.train_timeout_s"
    with connect(context, server, api_key) as client, waiting_for(f"every shard to train {feature}", until):
        training = client.train(feature)
    if as_json:
        output.show_json(training)
        return
    rows = [
        [str(shard.shard), str(shard.rows), str(shard.lists), f"{shard.took_s:.1f}", shard.reason]
        for shard in training.shards
    ]
    headings = ["shard ", "rows ", "lists ", "seconds ", "not trained because"]
    output.show_table(headings, rows, long=headings[-1:])

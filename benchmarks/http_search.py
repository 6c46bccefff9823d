"""Searches over HTTP: our service beside one bare FastAPI process that works as the original does (``phash_web``).

Both hold the same photographs and answer the same query, a 150 KB JPEG of 500 px that is among them; rounds alternate
between the two. The baseline is also measured before our service is started, when it has the machine to itself.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import load, service
from benchmarks.baselines import phash_web
from benchmarks.load import Load, LoadResult
from benchmarks.photo_sets import PhotoSet
from benchmarks.report import Report, median

CLIENTS = (1, 16)
SETTLE_S = 10.0  # before idle memory is read


def main() -> None:
    options = arguments()
    photos = PhotoSet("search", options.photos, 500, 107_000, seed=1).folder()
    query = PhotoSet("query", 1, 500, 150_000, seed=2).files()[0]
    report = Report("http_search", "phash search over HTTP: Lookalike and one bare FastAPI process")
    report.line(
        f"load       {options.photos} photos; query {query.stat().st_size / 1000:.0f} KB; {options.rounds} rounds"
    )
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lookalike-benchmark-")))
        folder = scratch / "photos"
        shutil.copytree(photos, folder)
        shutil.copy(query, folder)
        port = service.free_port()
        command = [sys.executable, "-m", "benchmarks.baselines.phash_web", str(folder), str(port)]
        bare = stack.enter_context(service.running(command, port, "/", scratch / "baseline.log", timeout_s=300))
        baseline = baseline_load(bare.port, query, options.seconds)
        alone = {clients: load.measure(with_clients(baseline, clients)) for clients in CLIENTS}
        ours = stack.enter_context(service.lookalike_service(scratch / "data"))
        started = idle_memory(ours)
        index_s = service.index(ours, folder)
        filled = idle_memory(ours)
        candidate = our_load(ours.port, query, options.seconds)
        report_costs(report, bare, ours, [("just started", started), (f"{options.photos + 1} photos indexed", filled)])
        report.line(f"indexing them took {index_s:.1f} s in all")
        rounds = {clients: alternate(baseline, candidate, clients, options.rounds) for clients in CLIENTS}
    report_rounds(report, alone, rounds)
    report.write()


def alternate(baseline: Load, ours: Load, clients: int, rounds: int) -> tuple[list[LoadResult], list[LoadResult]]:
    """Results of both, taken in turns, the first one changing from round to round."""
    found: tuple[list[LoadResult], list[LoadResult]] = ([], [])
    loads = (with_clients(baseline, clients), with_clients(ours, clients))
    for number in range(rounds):
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            found[which].append(load.measure(loads[which]))
    return found


def baseline_load(port: int, query: Path, seconds: float) -> Load:
    return Load(port, phash_web.ROUTE, str(query), {"k": "20"}, "0.file_name", query.name, 1, seconds)


def our_load(port: int, query: Path, seconds: float) -> Load:
    fields = {"k": "20", "features": "phash"}
    return Load(port, "/v1/search", str(query), fields, "results.0.id", query.name, 1, seconds)


def with_clients(template: Load, clients: int) -> Load:
    fields = {name: getattr(template, name) for name in Load.__slots__}
    return Load(**{**fields, "clients": clients})


def idle_memory(running: service.RunningService) -> service.Memory:
    time.sleep(SETTLE_S)
    return running.memory()


def report_costs(
    report: Report,
    bare: service.RunningService,
    ours: service.RunningService,
    moments: Sequence[tuple[str, service.Memory]],
) -> None:
    memory = bare.memory()
    rows: list[Sequence[object]] = [
        ("baseline", f"{bare.start_s:.1f}", memory.processes, f"{memory.rss:.0f}", f"{memory.pss:.0f}")
    ]
    for moment, found in moments:
        cells = (f"{ours.start_s:.1f}", found.processes, f"{found.rss:.0f}", f"{found.pss:.0f}")
        rows.append((f"Lookalike, {moment}", *cells))
    report.table(("idle service", "start-up s", "processes", "RSS MiB", "PSS MiB"), rows)


def report_rounds(
    report: Report,
    alone: dict[int, LoadResult],
    rounds: dict[int, tuple[list[LoadResult], list[LoadResult]]],
) -> None:
    rows: list[Sequence[object]] = []
    for clients, (baseline, ours) in rounds.items():
        rows.append(row(f"baseline, before ours started, {clients} clients", [alone[clients]]))
        rows.append(row(f"baseline, {clients} clients", baseline))
        rows.append(row(f"Lookalike, {clients} clients", ours))
    report.table(("medians of rounds", "requests/s", "p50 ms", "p99 ms", "errors", "wrong"), rows)
    report.line()
    for clients, (baseline, ours) in rounds.items():
        rate = [b.requests_per_s / a.requests_per_s for a, b in zip(baseline, ours, strict=True)]
        p50 = [b.p50_ms / a.p50_ms for a, b in zip(baseline, ours, strict=True)]
        each = ", ".join(f"{value:.2f}" for value in rate)
        report.line(f"{clients} clients: {median(rate):.2f} times the baseline's rate (by round: {each})")
        report.line(f"{' ' * len(str(clients))}          {median(p50):.2f} times its p50")


def row(title: str, results: Sequence[LoadResult]) -> Sequence[object]:
    medians = [median([getattr(each, name) for each in results]) for name in ("requests_per_s", "p50_ms", "p99_ms")]
    return (title, *medians, sum(each.errors for each in results), sum(each.wrong for each in results))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=1000, help="photos that both hold")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each measurement")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Ten times more searches than the service can answer, for a minute: who is answered and when, who is refused and how
soon, what it costs in memory, and how soon all is well again.

The default search, by a photograph of 500 px. What saturates the service is measured first, by 32 clients that ask one
after the other; then requests come at ten times that rate whatever becomes of them, each on a connection of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks import load, service
from benchmarks.load import Load, multipart_request, percentile_ms, read_answer
from benchmarks.photo_sets import PhotoSet
from benchmarks.report import Report

EXTRACTORS: Mapping[str, Mapping[str, object]] = {"phash": {}, "color": {}, "local": {}}
CLIENTS = 32
TIMES = 10
SETTLE_S = 10.0  # before memory is read
SOON_S = 0.1
CALM = 3  # answers one after the other, none slower than twice the slowest before: well again
GIVE_UP_S = 20.0


@dataclass(slots=True)
class Tally:
    """Seconds from the first byte sent to the last one read, by what came of it."""

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    other: dict[str, int] = field(default_factory=dict)

    def note(self, what: str) -> None:
        self.other[what] = self.other.get(what, 0) + 1


def main() -> None:
    options = arguments()
    photos = PhotoSet("search", options.photos, 500, 107_000, seed=1).folder()
    query = PhotoSet("query", 1, 500, 150_000, seed=2).files()[0]
    report = Report("overload", "ten times more searches than the service can answer")
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lookalike-benchmark-")))
        folder = scratch / "photos"
        shutil.copytree(photos, folder)
        shutil.copy(query, folder)
        ours = stack.enter_context(service.lookalike_service(scratch / "data", EXTRACTORS))
        service.index(ours, folder)
        asked = Load(ours.port, "/v1/search", str(query), {"k": "20"}, "results.0.id", query.name, 1, 5.0)
        alone = load.measure(asked)
        most = load.measure(replace(asked, clients=CLIENTS, seconds=15.0))
        report.line(f"{options.photos + 1} photos; one client: p50 {alone.p50_ms:.0f} ms, p99 {alone.p99_ms:.0f} ms")
        report.line(f"{CLIENTS} clients: {most.requests_per_s:.1f} answers a second, p99 {most.p99_ms:.0f} ms")
        time.sleep(SETTLE_S)
        before = ours.memory()
        request = multipart_request(asked)
        rate = TIMES * most.requests_per_s
        tally, memory = asyncio.run(_flood(ours, request, rate, options.seconds))
        well_s = asyncio.run(_well_again(ours.port, request, 2 * alone.p99_ms / 1000))
        _say(report, tally, rate, options.seconds, memory.pss / before.pss, before.pss, well_s)
    report.write()


async def _flood(
    running: service.RunningService, request: bytes, rate: float, seconds: float
) -> tuple[Tally, service.Memory]:
    """Memory is read at the end of it, while requests come."""
    tally, tasks, dice = Tally(), set(), random.Random(1)
    began = time.perf_counter()
    due = began
    while due < began + seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(_one(running.port, request, tally))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        due += dice.expovariate(rate)
    memory = await asyncio.to_thread(running.memory)
    await asyncio.gather(*tasks)
    return tally, memory


async def _one(port: int, request: bytes, tally: Tally) -> None:
    began = time.perf_counter()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            async with asyncio.timeout(60):
                status, _ = await read_answer(reader)
        finally:
            writer.close()
    except (OSError, asyncio.IncompleteReadError) as failure:
        tally.note(type(failure).__name__)
        return
    took = time.perf_counter() - began
    if status == 200:
        tally.answered.append(took)
    elif status in (429, 503):
        tally.refused.append(took)
    else:
        tally.note(str(status))


async def _well_again(port: int, request: bytes, bound_s: float) -> float:
    """Seconds until searches are answered as before, one after the other."""
    began = time.perf_counter()
    calm, since = 0, 0.0
    while calm < CALM:
        sent = time.perf_counter()
        if sent - began > GIVE_UP_S:
            return float("inf")
        tally = Tally()
        await _one(port, request, tally)
        if tally.answered and tally.answered[0] <= bound_s:
            since = since if calm else sent - began
            calm += 1
        else:
            calm = 0
    return since


def _say(
    report: Report, tally: Tally, rate: float, seconds: float, growth: float, pss_before: float, well_s: float
) -> None:
    answered, refused = sorted(tally.answered), sorted(tally.refused)
    soon = sum(took <= SOON_S for took in refused) / max(1, len(refused))
    report.line(f"{rate:.0f} requests a second for {seconds:.0f} s")
    report.table(
        ("", "requests", "p50 ms", "p95 ms", "p99 ms"),
        [
            (name, len(took), *(round(percentile_ms(took, share)) for share in (0.5, 0.95, 0.99)))
            for name, took in (("answered", answered), ("refused", refused))
            if took
        ],
    )
    report.line(f"answered {len(answered) / seconds:.1f} a second; refused within {SOON_S * 1000:.0f} ms: {soon:.3f}")
    report.line(f"neither: {tally.other or 0}")
    report.line(f"memory {growth:.2f} times the {pss_before:.0f} MiB before; as before {well_s:.1f} s after the end")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ten times more searches than the service can answer.")
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=60.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()

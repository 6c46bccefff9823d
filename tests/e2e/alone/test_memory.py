"""Memory stays level: an hour of mixed load, and what every process of the service takes after ten minutes of it and at
the end.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from graph.client import Client
from storage.errors import LookalikeError
from tests.e2e.running_service import ROOT, RunningService, service
from tests.unit.graph.local_catalog import photo

WARM_S, WHOLE_S = 600.0, 3600.0
MOST_GROWTH = 1.1
STORED = 400  # pictures, after which the oldest one is removed for each that is added
WRITERS, SEARCHERS = 2, 3
PAUSE_S = 0.2  # of each of them between two requests: load, but no queue
OURS = {  # by what stands in their command lines
    "routers": "ray::ServeReplica:lookalike:router",
    "extractors": "ray::ServeReplica:lookalike:",
    "shards": "ray::ShardActor",
    "serve": "bin/lookalike",
    "jobs": "graph.jobs.",
}
RAYS = {
    "gcs": "gcs_server",
    "raylet": "/raylet",
    "dashboard": "dashboard/dashboard.py",
    "agents": "agent",
    "controller": "ray::ServeController",
    "proxy": "ray::HAProxy",
    "haproxy": "bin/haproxy",
}


def memory(running: RunningService) -> Mapping[str, float]:
    """PSS in MiB by kind of process; each counts for the first kind that it fits."""
    found: dict[str, float] = defaultdict(float)
    for process_id in running.processes():
        with contextlib.suppress(OSError):
            folder = Path(f"/proc/{process_id}")
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
            [line] = [one for one in (folder / "smaps_rollup").read_text().splitlines() if one.startswith("Pss:")]
            kind = next((kind for kind, part in {**OURS, **RAYS}.items() if part in command), "other of Ray")
            found[kind] += int(line.split()[1]) / 1024
    return found


class MixedLoad:
    """Writers, searchers and a batch job now and then: some twenty requests a second."""

    def __init__(self, running: RunningService, folder: Path) -> None:
        self._running = running
        self._folder = folder
        self._stop = threading.Event()
        self._stored: deque[str] = deque()
        self.done: dict[str, int] = defaultdict(int)

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        with ThreadPoolExecutor(WRITERS + SEARCHERS + 1) as threads:
            work = [threads.submit(self._repeat, self._write, number) for number in range(WRITERS)]
            work += [threads.submit(self._repeat, self._search, 100 + number) for number in range(SEARCHERS)]
            work.append(threads.submit(self._index))
            try:
                yield
            finally:
                self._stop.set()
            for one in work:
                one.result()

    def _repeat(self, step: Callable[[Client, random.Random, int], None], seed: int) -> None:
        choose = random.Random(seed)
        with Client(self._running.url, timeout_s=60) as client:
            for turn in range(10**9):
                if self._stop.is_set():
                    return
                try:
                    step(client, choose, turn)
                except LookalikeError:
                    self.done["refused"] += 1
                self._stop.wait(PAUSE_S)

    def _write(self, client: Client, choose: random.Random, turn: int) -> None:
        image_id = f"{choose.getrandbits(64):x}"
        client.add(photo(turn, (640, 480)), id=image_id, metadata={"turn": turn})
        self._stored.append(image_id)
        if len(self._stored) > STORED:
            client.delete(self._stored.popleft())
        self.done["writes"] += 1

    def _search(self, client: Client, choose: random.Random, turn: int) -> None:
        size = choose.choice([(160, 120), (640, 480), (1600, 1200)])
        answer = client.search(image=photo(choose.randrange(2000), size), k=choose.choice([1, 20, 100]))
        if answer.results and turn % 4 == 0:
            client.get(answer.results[0].id)
            client.similar(answer.results[0].id, features=["phash"])
        if turn % 20 == 0:
            client.search(image=photo(turn), filter=f"width >= {choose.randrange(1000)}")
            client.stats()
        self.done["searches"] += 1

    def _index(self) -> None:
        """Every four minutes the same folder with another picture."""
        self._folder.mkdir()
        for turn in range(10**9):
            (self._folder / f"{turn % 30}.jpg").write_bytes(photo(10**6 + turn, (800, 600)))
            done = self._running.run("index", str(self._folder))
            self.done["jobs" if done.returncode == 0 else f"jobs that failed: {done.stderr}"] += 1
            if self._stop.wait(240):
                return


@pytest.mark.e2e
@pytest.mark.soak
@pytest.mark.timeout(int(WHOLE_S) + 600)
def test_memory_stays_level_through_an_hour_of_mixed_load(tmp_path: Path) -> None:
    with service(tmp_path / "data", config=ROOT / "configs" / "local.yaml") as running:
        warm, end = memory_under_load(running, tmp_path / "photos", (WARM_S, WHOLE_S))
    ours = [sum(taken[kind] for kind in OURS if kind != "jobs") for taken in (warm, end)]
    assert ours[1] <= MOST_GROWTH * ours[0], (warm, end)


def memory_under_load(running: RunningService, photos: Path, moments_s: Sequence[float]) -> list[Mapping[str, float]]:
    """What was taken at each of these moments. Prints every minute what is, and what was done so far."""
    load, started, taken = MixedLoad(running, photos), time.monotonic(), []
    with load.going_on():
        for moment in moments_s:
            while (left := started + moment - time.monotonic()) > 0:
                time.sleep(min(left, 60.0))
                now = {kind: round(size) for kind, size in memory(running).items()}
                print(f"{time.monotonic() - started:6.0f} s", now, dict(load.done))
            taken.append(memory(running))
    return taken

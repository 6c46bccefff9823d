"""What was acknowledged survives: processes are killed under load, then all of them at once, and everything is
compared afterwards.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from graph.client import Client
from tests.e2e.ledger import Ledger, Load, check_everything, nothing_pending, progress
from tests.e2e.running_service import START_TIMEOUT_S, RunningService, service, wait_for
from tests.e2e.service_config import write_config
from tests.unit.graph.local_catalog import photo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

VICTIMS = ("ray::ShardActor", "ray::ServeReplica:lookalike:phash", "ray::ServeReplica:lookalike:router")
DELAY_S = 1.0
STATS = {"method": "GET", "route": "/v1/stats", "status": "200"}
JOB_PHOTOS = 120  # a job of them takes some 15 s on two cores


def kill_one(running: RunningService, title: str) -> None:
    victims = running.processes_named(title)
    assert victims, f"no process is called {title}"
    os.kill(victims[0], signal.SIGKILL)


@dataclass
class Killed:
    """A service after the deaths, started again on the same data: with two routers, its extractor `fake` and its jobs
    slower now.
    """

    running: RunningService
    ledger: Ledger

    @contextlib.contextmanager
    def client(self) -> Iterator[Client]:
        with Client(self.running.url, timeout_s=60) as client:
            yield client


def kill_under_load(running: RunningService, ledger: Ledger, rounds: int = 1) -> None:
    """Every kind of process in turn, then all of them at once."""
    with Load(running.url, ledger).running():
        wait_for(progress(ledger, 30), "the load runs")
        for _ in range(rounds):
            for title in VICTIMS:
                kill_one(running, title)
                wait_for(progress(ledger, 20), f"the service goes on after {title} was killed", 120)
        running.kill_everything()
    assert ledger.searches > 50


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    folder = tmp_path_factory.mktemp("durability")
    ledger = Ledger()
    with service(folder / "data") as running:
        kill_under_load(running, ledger)
        # Long enough for a test to come between: a call of the extractor, and with it four files of a job.
        running.config = write_config(
            folder / "config.yaml",
            args={
                "extractors": {"fake": {"delay_s": DELAY_S}},
                # A replica that was killed is started again meanwhile, on a busy machine, too.
                "limits": {"extractor_timeout_s": 25, "request_timeout_s": 40},
            },
            deployments={"router": {"num_replicas": 2}},
        )
        running.start()
        yield Killed(running, ledger)


def test_acknowledged_writes_survive_the_death_of_any_process_and_of_all(killed: Killed) -> None:
    with killed.client() as client:
        check_everything(client, killed.ledger)


@pytest.mark.soak
def test_acknowledged_writes_survive_many_deaths(tmp_path: Path) -> None:
    ledger = Ledger()
    with service(tmp_path / "data") as running:
        for _ in range(3):
            kill_under_load(running, ledger, rounds=5)
            running.start()
            with Client(running.url) as client:
                check_everything(client, ledger)


def test_a_picture_whose_extractor_dies_under_way_is_given_to_another(killed: Killed) -> None:
    with killed.client() as client, ThreadPoolExecutor(1) as threads:
        wait_for(lambda: nothing_pending(client), "the features of pictures from before are there")
        adding = threads.submit(client.add, photo(9000), id="once")
        time.sleep(DELAY_S / 2)  # the extractor is at work on it
        kill_one(killed.running, "ray::ServeReplica:lookalike:fake")
        assert adding.result().features == {"phash": "ok", "color": "ok", "fake": "ok"}


def test_a_picture_whose_extractor_dies_again_and_again_is_kept_and_its_feature_filled_in(killed: Killed) -> None:
    with killed.client() as client, killed.client() as another, ThreadPoolExecutor(1) as threads:
        adding = threads.submit(client.add, photo(9001), id="one")
        while not adding.done():
            for process in killed.running.processes_named("ray::ServeReplica:lookalike:fake"):
                os.kill(process, signal.SIGKILL)
            time.sleep(0.1)
        assert adding.result().features == {"phash": "ok", "color": "ok", "fake": "pending"}
        wait_for(lambda: nothing_pending(another), "the feature is filled in")
        answer = another.search(image=photo(9001), features=["fake"], k=1)
        assert [result.id for result in answer.results] == ["one"]
        assert another.verify().ok


def many_photos(folder: Path, first_seed: int) -> Path:
    folder.mkdir()
    for seed in range(first_seed, first_seed + JOB_PHOTOS):
        (folder / f"{seed}.jpg").write_bytes(photo(seed, (800, 600)))
    return folder


def test_a_killed_job_is_reported_and_the_next_one_goes_on_from_there(killed: Killed, tmp_path: Path) -> None:
    photos = many_photos(tmp_path / "photos", 10_000)
    with killed.client() as client:
        at_first = client.stats().images
        first = client.submit_index([str(photos)])
        wait_for(lambda: client.job(first).added > 0, "the job has begun")
        for process_id in killed.running.processes_named("graph.jobs.index"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        wait_for(lambda: client.job(first).state not in ("queued", "running"), "the killed job is reported")
        assert client.job(first).state == "failed"
        before = client.stats().images - at_first
        assert 0 < before < JOB_PHOTOS

        again = client.submit_index([str(photos)])
        wait_for(lambda: client.job(again).state not in ("queued", "running"), "the second job ends", 120)
        job = client.job(again)
        assert job.state == "succeeded"
        assert job.added + job.unchanged == JOB_PHOTOS
        assert job.unchanged >= before
        assert client.stats().images == at_first + JOB_PHOTOS
        assert client.verify().ok


def test_stopping_a_job_and_running_it_again_gives_the_same_final_state(killed: Killed, tmp_path: Path) -> None:
    photos = many_photos(tmp_path / "photos", 20_000)
    with killed.client() as client:
        at_first = client.stats().images
        first = client.submit_index([str(photos)])
        wait_for(lambda: client.job(first).added > 0, "the job has begun")
        stopped = client.stop_job(first)
        assert stopped.state == "stopped"
        assert stopped.message.startswith("stopped on request"), "the job ended itself, its record written"
        started = time.monotonic()
        assert killed.running.run("index", str(photos)).returncode == 0
        assert client.stats().images == at_first + JOB_PHOTOS
        again = killed.running.run("index", str(photos))
        assert again.returncode == 0
        assert "0 new" in again.stdout + again.stderr
        assert client.verify().ok
        assert time.monotonic() - started < 120


def counted(url: str) -> dict[str, float]:
    """What a scrape says: answers to ``GET /v1/stats``, and routers that were asked."""
    text = httpx.get(f"{url}/metrics", trust_env=False).raise_for_status().text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    requests = [one.value for one in samples if one.name == "lookalike_requests_total" and one.labels == STATS]
    return {"requests": sum(requests), "routers": sum(one.value for one in samples if one.name == "lookalike_routers")}


def test_a_scrape_counts_every_router_and_never_goes_back(killed: Killed) -> None:
    url, title = killed.running.url, "ray::ServeReplica:lookalike:router"
    wait_for(lambda: counted(url)["routers"] == 2, "both routers answer")
    before = counted(url)["requests"]
    with ThreadPoolExecutor(16) as threads, killed.client() as client:  # so many at once that both have some
        list(threads.map(lambda _: client.stats(), range(200)))
        assert [counted(url)["requests"] - before for _ in range(5)] == [200] * 5
        kill_one(killed.running, title)
        seen = [before + 200]
        deadline = time.monotonic() + 60
        while counted_again(url, seen) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert seen == sorted(seen)
        list(threads.map(lambda _: client.stats(), range(100)))
        assert counted_again(url, seen) == 2
        assert seen[-1] == before + 300


def counted_again(url: str, seen: list[float]) -> float:
    """Adds to what was seen of requests. The routers that were asked; none while a request finds no router."""
    try:
        now = counted(url)
    except httpx.HTTPError:
        return 0
    seen.append(now["requests"])
    return now["routers"]


def test_a_service_whose_ray_dies_says_so_and_ends_with_all_of_its_processes(killed: Killed) -> None:
    service = killed.running
    assert service.process is not None
    kill_one(service, "raylet/raylet")
    assert service.process.wait(30) == 1
    assert service.log.splitlines()[-1].startswith("lookalike: Ray has died, and the service with it; ")
    wait_for(lambda: not service.processes(), "no process is left behind, HAProxy neither", 10)
    said = [line for line in service.log.splitlines() if "worker died" in line or "SYSTEM_ERROR" in line]
    assert not said, "what Ray says of dead processes stays in its logs"


def test_a_damaged_shard_ends_the_start_with_its_reason(killed: Killed) -> None:
    """On the data of the service whose Ray died."""
    service = killed.running
    for store in service.data.rglob("data.mdb"):
        store.write_bytes(b"no store" * 4096)
    service.begin()
    assert service.process is not None
    assert service.process.wait(START_TIMEOUT_S) == 1
    line = service.log.splitlines()[-1]
    assert "lookalike: shard " in line
    assert "cannot be opened" in line
    wait_for(lambda: not service.processes(), "no process is left behind", 10)

"""How a service ends: told to at any moment, or because Ray has died; and that nothing of it is left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from ray._common.utils import get_default_ray_temp_dir

from lookalike_client import Client
from tests.e2e.running_service import START_TIMEOUT_S, RunningService, answers, wait_for
from tests.unit.graph.local_catalog import photo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SOON_S = 20.0  # on a machine that has more to do; alone it takes three


def many_photos(folder: Path, count: int) -> Path:
    folder.mkdir()
    for seed in range(count):
        (folder / f"{seed}.jpg").write_bytes(photo(seed, (800, 600)))
    return folder


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[RunningService]]:
    """Two services, started at the same moment."""
    services = [RunningService(tmp_path / name / "data") for name in ("one", "two")]
    for service in services:
        service.begin()
    yield services
    for service in services:
        for process_id in service.processes():
            os.kill(process_id, signal.SIGKILL)


def sessions(head: int) -> list[Path]:
    """Ray's folders of that head."""
    return list(Path(get_default_ray_temp_dir()).glob(f"session_*_{head}"))


def head_of(service: RunningService) -> int:
    [head] = service.processes_named("graph.serving.ray_head")
    return head


def own_folders(service: RunningService) -> set[str]:
    """For HAProxy's files, as their names stand in the environment of a process."""
    environment = Path("/proc", str(head_of(service)), "environ").read_bytes().decode().split("\0")
    return {Path(entry.partition("=")[2]).parent.name for entry in environment if "HAPROXY_CONFIG_FILE" in entry}


def ended(service: RunningService) -> int:
    assert service.process is not None
    status = service.process.wait(SOON_S)
    wait_for(lambda: not service.processes(), "no process is left behind", SOON_S)
    return status


def begin_a_job(service: RunningService, photos: Path) -> None:
    with Client(service.url) as client:
        job = client.submit_index([str(photos)])
        wait_for(lambda: client.job(job).added > 0, "the job is at work")


def test_two_that_start_at_once_come_up_and_go_without_a_trace_while_they_index(
    two: list[RunningService], tmp_path: Path
) -> None:
    for service in two:
        wait_for(partial(answers, service), "both come up", START_TIMEOUT_S)
    photos = many_photos(tmp_path / "photos", 400)
    for service in two:
        begin_a_job(service, photos)
    heads = [head_of(service) for service in two]
    assert all(sessions(head) for head in heads)
    folders = set[str]().union(*map(own_folders, two))
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        for service in two:
            assert service.process is not None
            service.process.send_signal(number)
    assert [ended(service) for service in two] == [0, 0]
    assert [service.log.splitlines()[-1] for service in two] == ["stopping", "stopping"]
    assert not any("***" in service.log or "Traceback" in service.log for service in two)
    assert not any(sessions(head) for head in heads)
    assert not [folder for folder in folders if Path("/tmp", folder).exists()]


@pytest.mark.parametrize(
    ("moment", "number"),
    [("graph.serving.ray_head", signal.SIGINT), ("raylet/raylet", signal.SIGTERM), ("ray::ShardActor", signal.SIGHUP)],
)
def test_a_signal_gives_the_start_up(tmp_path: Path, moment: str, number: signal.Signals) -> None:
    """moment: when there is a process of that name."""
    service = RunningService(tmp_path / "data")
    service.begin()
    wait_for(lambda: bool(service.processes_named(moment)), f"{moment} has been started", START_TIMEOUT_S)
    [head] = service.processes_named("graph.serving.ray_head")
    for _ in range(2):
        assert service.process is not None
        service.process.send_signal(number)
    assert ended(service) == 0
    assert service.log.splitlines() == ["starting Ray", "stopping"]
    assert not sessions(head)

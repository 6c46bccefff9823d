"""For every test: where the real photos are, which tests run only when asked for, and how they are shared out over two
processes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

SHARED = Path(__file__).resolve().parents[2] / "shared"

# Threads of torch that wait for each other must leave the cores to the other process: spinning takes ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read once, when torch is imported

# How long an example takes says nothing while another process has the same cores.
settings.register_profile("shared cores", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared cores")


SERVICES = ("tests/cluster", "tests/e2e/alone", "tests/e2e/shared", "tests/e2e/restarted")  # they run in this order


class ServicesInOneProcess(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """Whole files to whoever is free; all that start services to one process, one after the other, from the start."""

    def _split_scope(self, nodeid: str) -> str:
        scope: str = super()._split_scope(nodeid)
        return "services" if scope.startswith(SERVICES) else scope


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ServicesInOneProcess | None:
    """For ``--dist loadfile``. In the order of collection, which begins with the services."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False  # else it is by their number
    return ServicesInOneProcess(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the tests that are marked soak, and no others")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that are marked soak, or all others; of those that start services, each folder after those it needs."""
    wanted = bool(config.getoption("--soak"))
    left_out = [item for item in items if (item.get_closest_marker("soak") is not None) != wanted]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if (item.get_closest_marker("soak") is not None) == wanted]
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    """Among the folders of tests that start services, which come first."""
    return next((place for place, folder in enumerate(SERVICES) if item.nodeid.startswith(folder)), len(SERVICES))


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of real photos beside the project; tests that need it are skipped where it is absent."""
    if not (SHARED / "photos").is_dir():
        pytest.skip("no ../shared with the real photos")
    return SHARED


@pytest.fixture(scope="session")
def shapes_clip(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The checkpoint of `train_shapes_clip`, made once a run: the process that needs it first makes it for both."""
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "shapes-clip"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            from tests.unit.deployments.models.shapes_clip import train_shapes_clip

            train_shapes_clip(folder.with_suffix(".unfinished")).rename(folder)
    return folder

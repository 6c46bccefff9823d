"""Unit tests run without Ray: whatever tries to start it fails, and says so. Nor do they wait for the disk."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

import lmdb
import pytest


@pytest.fixture(autouse=True)
def ray_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes ``ray.init`` raise. Does not import Ray itself, which takes a second, for tests that never do."""
    if "ray" in sys.modules:
        monkeypatch.setattr(sys.modules["ray"], "init", _refuse)


@pytest.fixture(autouse=True, scope="session")
def services_go_first(worker_id: str) -> None:
    """Where tests run in two processes, the other one has services to wait for, and more than these to do."""
    if worker_id != "master":
        os.nice(5)


@pytest.fixture(autouse=True)
def nothing_waits_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test writes need not outlive a power cut; a process that is killed loses nothing all the same."""
    open_environment = lmdb.open
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(lmdb, "open", lambda path, **options: open_environment(path, **{**options, "sync": False}))


def _refuse(*_args: Any, **_options: Any) -> NoReturn:
    pytest.fail("a unit test tried to start Ray: use the in-memory ports, or move the test to tests/cluster")

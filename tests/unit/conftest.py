"""Unit tests run without Ray: whatever tries to start it fails, and says so."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import pytest


@pytest.fixture(autouse=True)
def ray_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes ``ray.init`` raise. Does not import Ray itself, which takes a second, for tests that never do."""
    if "ray" in sys.modules:
        monkeypatch.setattr(sys.modules["ray"], "init", _refuse)


def _refuse(*_args: Any, **_options: Any) -> NoReturn:
    pytest.fail("a unit test tried to start Ray: use the in-memory ports, or move the test to tests/cluster")

"""Files to move, and ways to move them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done to the disk, in order; it is not waited for, which takes most of the time."""
    order: list[str] = []
    link = os.link

    def linked(source: Any, target: Any, **options: Any) -> None:
        order.append("link")
        link(source, target, **options)

    monkeypatch.setattr(os, "fsync", lambda _: order.append("on disk"))
    monkeypatch.setattr(os, "link", linked)
    return order


@pytest.fixture(params=["links", "copies"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How files are moved: within a file system, and to another one."""
    if request.param == "copies":

        def refuse(*_: Any, **__: Any) -> None:
            raise OSError(errno.EXDEV, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", refuse)
    return str(request.param)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return tmp_path / "photos"


@pytest.fixture
def aside(tmp_path: Path) -> Path:
    return tmp_path / "aside"

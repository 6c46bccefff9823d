"""The shell command over a transport that stands in for the service."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from graph.cli.main import app

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``lookalike`` with these arguments against this service, as a pipe sees it."""
    for variable in ("LOOKALIKE_SERVER", "LOOKALIKE_API_KEY", "LOOKALIKE_DEBUG"):
        monkeypatch.delenv(variable, raising=False)

    def invoke(service: Any, *arguments: str, **options: Any) -> Result:
        transport = None if service is None else httpx.MockTransport(service)
        return CliRunner().invoke(app, list(arguments), prog_name="lookalike", obj=transport, **options)

    return invoke


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output goes to a terminal."""
    monkeypatch.setattr("graph.cli.terminal.output.on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")


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

"""The shell command over a transport that stands in for the service."""

from __future__ import annotations

from collections.abc import Callable
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

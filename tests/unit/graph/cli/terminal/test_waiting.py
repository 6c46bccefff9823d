"""Who waits is told for what, on a terminal alone."""

from __future__ import annotations

import sys
import time

import pytest

from graph.cli.terminal.waiting import waiting_for
from tests.unit.waiting import wait_for


def test_a_terminal_is_told_what_is_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("graph.cli.terminal.waiting.SILENCE_S", 0.01)
    told: list[str] = []

    def said() -> bool:
        told.append(capsys.readouterr().err)
        return any(told)

    with waiting_for("every shard", "it ends within an hour"):
        wait_for(said, "a word on stderr")
    assert "".join(told) == "lookalike: still waiting for every shard; it ends within an hour\n"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_an_answer_in_time_and_a_pipe_are_told_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    monkeypatch.setattr("graph.cli.terminal.waiting.SILENCE_S", 30.0 if is_terminal else 0.0)
    with waiting_for("every shard"):
        time.sleep(0.05)
    assert capsys.readouterr().err == ""

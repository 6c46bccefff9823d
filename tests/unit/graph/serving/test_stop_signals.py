"""A signal ends the start at once and the work in order; another one changes nothing, at whatever moment it comes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from graph.serving.stop_signals import SIGNALS, Stopped, StopSignals

ROOT = Path(__file__).resolve().parents[4]
MANY = 2000

# Its handler is interrupted by the next signal while it is at work, again and again.
WAITS = """
from graph.serving.stop_signals import StopSignals
with StopSignals() as signals:
    signals.start_is_over()
    print("waits", flush=True)
    while not signals.wait(0.001):
        pass
    print("stopped", flush=True)
    input()
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_gives_the_start_up(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # whoever runs the tests may ignore one, as `nohup` does
    try:
        with StopSignals(), pytest.raises(Stopped):
            signal.raise_signal(number)
    finally:
        signal.signal(number, before)


def test_a_second_signal_leaves_what_the_first_one_began_alone() -> None:
    with StopSignals():
        with pytest.raises(Stopped):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)


def test_a_signal_ends_the_waiting_at_once() -> None:
    with StopSignals() as signals:
        signals.start_is_over()
        assert not signals.wait(0.01)
        threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
        started = time.monotonic()
        assert signals.wait(60)
        assert time.monotonic() - started < 30


def test_a_signal_that_somebody_swallowed_at_the_start_is_not_lost() -> None:
    with StopSignals() as signals:
        with contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Stopped):
            signals.start_is_over()


def test_what_code_in_c_makes_of_a_signal_gives_the_start_up_too() -> None:
    with StopSignals() as signals:
        with pytest.raises(OSError, match="a failure"), signals.in_foreign_code():
            raise OSError("without a signal it is a failure")
        with contextlib.suppress(Stopped):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Stopped), signals.in_foreign_code():
            raise SystemError("returned a result with an exception set")


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with StopSignals():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_closed_terminal_that_is_to_be_ignored_is(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_crowd_of_signals_is_one() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        for _ in range(MANY):
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
        said, _ = process.communicate("\n", timeout=60)
    assert said == "stopped\n"
    assert process.returncode == 0

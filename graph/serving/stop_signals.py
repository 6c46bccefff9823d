"""What SIGTERM, Ctrl-C and a closed terminal do to ``lookalike serve``: its start is given up, or its work ends. What
comes after the first of them changes nothing.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Raised in the midst of the start; no `Exception`, so that nobody takes it for a failure and goes on."""


class StopSignals:
    """Listens for the length of a block. What a handler interrupts may hold any lock, so it takes none: a pipe wakes
    who waits, as an event could not.
    """

    def __init__(self) -> None:
        self._wakened, self._wake = os.pipe()
        self._asked = False
        self._starting = True
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` has it
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._wake)
        os.close(self._wakened)

    @contextlib.contextmanager
    def in_foreign_code(self) -> Iterator[None]:
        """Code in C may turn what a signal raises into an error of its own: after a signal that is Stopped, too."""
        try:
            yield
        except Exception as failure:
            if self._asked:
                raise Stopped from failure
            raise

    def start_is_over(self) -> None:
        """From now on signals are waited for. Raises Stopped for one that came and was lost on the way."""
        self._starting = False
        if self._asked:
            raise Stopped

    def wait(self, seconds: float) -> bool:
        """Whether one came within the time."""
        select.select([self._wakened], [], [], seconds)
        return self._asked

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            return
        self._asked = True
        os.write(self._wake, b"!")
        if self._starting:
            raise Stopped

"""A word to whoever waits for a service that takes long to answer."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from graph.cli.terminal.reporting import warn

SILENCE_S = 3.0


@contextmanager
def waiting_for(what: str, until: str = "") -> Iterator[None]:
    """Says on stderr, on a terminal, what is waited for where the block takes longer than a moment. until: when the
    service gives up.
    """
    if not sys.stderr.isatty():
        yield
        return
    timer = threading.Timer(SILENCE_S, warn, (f"still waiting for {what}", until))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()

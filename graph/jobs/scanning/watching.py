"""Folders that are watched: what has changed in them, as the system tells, and a look at all of them now and then."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain

import watchfiles

from graph.jobs.running.job import Stopped
from graph.jobs.scanning.listing import is_below
from storage.files import is_reachable

logger = logging.getLogger(__name__)

TICK_S = 0.5
WHOLE_LOOK_S = 600.0
WITHOUT_NOTICES_S = 30.0  # between looks, where the system tells nothing
SETTLED_S = 1.0  # a file that was written to within it may be half a file
MOST_SETTLING_S = 30.0


def changes(paths: Sequence[str], tick: Callable[[], None]) -> Iterator[frozenset[str] | None]:
    """Paths that came, changed or went, by real paths; None where all is to be looked at, first of all and whenever a
    folder has come or gone. tick: called again and again.
    """
    while True:
        watched = _reachable(paths)
        with closing(_notices(sorted(watched))) as notices:
            first = next(notices)  # from here on the system tells, also of what changes during the look at all
            yield None
            yield from _changed(chain([first], notices), paths, watched, tick)


def _changed(
    notices: Iterable[frozenset[str] | None],
    paths: Sequence[str],
    watched: Mapping[str, tuple[int, int]],
    tick: Callable[[], None],
) -> Iterator[frozenset[str]]:
    """Until all is to be looked at again."""
    looked = time.monotonic()
    for changed in notices:
        tick()
        if changed is None:  # the system tells nothing
            if time.monotonic() - looked > WITHOUT_NOTICES_S:
                return
            time.sleep(TICK_S)
        elif changed:
            _settle(changed)
            if there := _below_what_is_there(changed, watched):
                yield there
        if _reachable(paths) != watched or time.monotonic() - looked > WHOLE_LOOK_S:
            return


def _notices(paths: Sequence[str]) -> Generator[frozenset[str] | None]:
    """Empty where nothing has changed for a while; None again and again where the system cannot tell."""
    try:
        if paths:
            for changed in watchfiles.watch(
                *paths,
                watch_filter=None,
                rust_timeout=int(TICK_S * 1000),
                yield_on_timeout=True,
                ignore_permission_denied=True,
            ):
                yield frozenset(path for _, path in changed)
    except KeyboardInterrupt as signalled:  # what the library makes of every signal
        raise Stopped from signalled
    except OSError as failure:
        logger.warning("the system does not tell of changes in %s: %s", ", ".join(paths), failure)
    while True:
        yield None


def _settle(changed: frozenset[str]) -> None:
    """Waits until nobody has written to these files for a moment."""
    deadline = time.monotonic() + MOST_SETTLING_S
    while time.monotonic() < deadline and any(_is_fresh(path) for path in changed):
        time.sleep(SETTLED_S / 4)


def _is_fresh(path: str) -> bool:
    try:
        return abs(time.time() - os.stat(path).st_mtime) < SETTLED_S
    except OSError:
        return False


def _below_what_is_there(changed: frozenset[str], watched: Iterable[str]) -> frozenset[str]:
    """Of a folder that has gone with all that is in it, nothing is told: its drive may be back soon."""
    there = [path for path in watched if os.path.isfile(path) or is_reachable(path)]
    return frozenset(path for path in changed if any(path == one or is_below(path, one) for one in there))


def _reachable(paths: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Those that are there, by their real paths; the file of each, which another one with its name is not."""
    found = {}
    for path in map(os.path.realpath, paths):
        try:
            status = os.stat(path)
        except OSError:
            continue
        found[path] = (status.st_dev, status.st_ino)
    return found

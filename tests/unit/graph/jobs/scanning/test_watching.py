"""What the system tells of folders that are watched."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest

from graph.jobs.scanning import watching
from tests.unit.waiting import PATIENCE_S

pytestmark = pytest.mark.slow


class Stop(Exception):
    """Ends the watching of a test, at its next tick."""


class Watched:
    """``changes`` of a folder, read by a thread of its own, each with all that came before."""

    def __init__(self, *paths: Path) -> None:
        self._told: Queue[frozenset[str] | None] = Queue()
        self._stopped = threading.Event()
        self._paths = [str(path) for path in paths]
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        assert self.next() is None

    def next(self) -> frozenset[str] | None:
        return self._told.get(timeout=PATIENCE_S)

    def until(self, is_enough: Callable[[set[str]], bool]) -> set[str]:
        """All paths that were told, once they are enough."""
        seen: set[str] = set()
        deadline = time.monotonic() + PATIENCE_S
        while not is_enough(seen):
            assert time.monotonic() < deadline
            try:
                seen |= self._told.get(timeout=0.2) or set()
            except Empty:
                continue
        return seen

    def close(self) -> None:
        self._stopped.set()
        self._thread.join(PATIENCE_S)

    def _follow(self) -> None:
        def tick() -> None:
            if self._stopped.is_set():
                raise Stop

        try:
            for changed in watching.changes(self._paths, tick):
                self._told.put(changed)
        except Stop:
            pass


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "TICK_S", 0.2)
    monkeypatch.setattr(watching, "SETTLED_S", 0.1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "photos"
    made.mkdir()
    (made / "first.jpg").write_bytes(b"1")
    return made


@pytest.fixture
def watched(folder: Path, quick: None) -> Iterator[Watched]:
    made = Watched(folder)
    time.sleep(0.5)  # the system needs a moment until it tells of what comes
    yield made
    made.close()


def test_files_that_come_change_move_and_go_are_told(folder: Path, watched: Watched) -> None:
    (folder / "new.jpg").write_bytes(b"2")
    os.rename(folder / "first.jpg", folder / "moved.jpg")
    names = {"new.jpg", "first.jpg", "moved.jpg"}
    assert watched.until(lambda seen: {str(folder / name) for name in names} <= seen)
    (folder / "moved.jpg").unlink()
    watched.until(lambda seen: str(folder / "moved.jpg") in seen)


def test_a_folder_that_goes_away_tells_nothing_and_is_looked_through_when_it_is_back(
    folder: Path, watched: Watched
) -> None:
    shutil.move(folder, folder.with_name("away"))
    assert watched.next() is None
    shutil.move(folder.with_name("away"), folder)
    assert watched.next() is None
    time.sleep(0.5)
    (folder / "new.jpg").write_bytes(b"2")
    watched.until(lambda seen: str(folder / "new.jpg") in seen)


def test_where_the_system_tells_nothing_all_is_looked_through_now_and_then(
    folder: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*paths: str, **options: object) -> Iterator[set[tuple[int, str]]]:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr("watchfiles.watch", refuses)
    monkeypatch.setattr(watching, "WITHOUT_NOTICES_S", 0.3)
    watched = Watched(folder)
    assert watched.next() is None
    watched.close()


def test_what_changes_during_the_first_look_is_told_after_it(folder: Path, quick: None) -> None:
    changes = watching.changes([str(folder)], lambda: None)
    assert next(changes) is None
    (folder / "late.jpg").write_bytes(b"2")
    told = next(changes)
    assert told is not None
    assert str(folder / "late.jpg") in told

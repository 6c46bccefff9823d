"""A folder that is lived with, and a library that follows it: over shards in this process."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from graph.jobs.running.fleet_shards import Results
from graph.jobs.running.job import Stopped
from storage.types.mutations import Mutation, PutImage
from tests.suites.folder_life import ROOTS, FolderLife
from tests.unit.graph.jobs.indexed_folder import IndexedFolder
from tests.unit.graph.jobs.local_fleet import LocalFleet


class Life:
    """An `IndexedFolder` as `FolderLife` wants it. computed: how often each picture was, by its SHA-256."""

    def __init__(self, folder: IndexedFolder, seed: int, patch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self._patch = patch
        self.photos = folder.photos
        self.computed: Counter[str] = Counter()
        apply = LocalFleet.apply

        def counted(fleet: LocalFleet, shard: int, mutations: Sequence[Mutation]) -> Results:
            self.computed.update(one.record.sha256 for one in mutations if isinstance(one, PutImage))
            return apply(fleet, shard, mutations)

        patch.setattr(LocalFleet, "apply", counted)

    def write(self, name: str, seed: int) -> Path:
        return self._folder.write(name, seed)

    def follow(self, roots: tuple[str, ...]) -> None:
        self._folder.index(*roots)

    def be_killed(self, roots: tuple[str, ...]) -> None:
        """At some call of a shard; the shards themselves are closed and opened again, too."""
        left = iter(range(self._random.randrange(2, 40)))

        def killed(call: Callable[..., Any]) -> Callable[..., Any]:
            def called(*given: Any, **named: Any) -> Any:
                if next(left, None) is None:
                    raise Stopped
                return call(*given, **named)

            return called

        job, fleet = self._folder.job(*roots), self._folder.fleet
        with self._patch.context() as patch, contextlib.suppress(Stopped):
            patch.setattr(fleet, "apply", killed(fleet.apply))
            patch.setattr(fleet, "ask", killed(fleet.ask))
            job.run()
        self._folder.reopen()

    def watch(self, changed: set[str]) -> None:
        """As the system would tell."""
        with self._patch.context() as patch:
            patch.setattr("graph.jobs.scanning.rounds.changes", lambda paths, tick: iter([frozenset(changed)]))
            self._folder.job(*ROOTS, watch=True).run()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_the_library_is_the_folder_after_many_changes(
    folder: IndexedFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    check_life(folder, tmp_path, monkeypatch, seed, photos=60, changes=200)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_library_is_the_folder_after_a_year(
    folder: IndexedFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_life(folder, tmp_path, monkeypatch, seed=3, photos=300, changes=2000)


def check_life(
    folder: IndexedFolder, tmp_path: Path, patch: pytest.MonkeyPatch, seed: int, photos: int, changes: int
) -> None:
    life = Life(folder, seed, patch)
    lived = FolderLife(life, seed, photos)
    life.follow(ROOTS)
    lived.live(changes, every=8)
    computed = life.computed.copy()
    files = [path for path in folder.photos.rglob("*") if path.is_file() and not path.name.startswith(".")]
    digests = {os.path.relpath(path, folder.photos): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert folder.library() == digests
    for sha256, times in computed.items():
        assert times <= 1 + lived.copies[sha256]
    with contextlib.closing(IndexedFolder(folder.photos, tmp_path / "fresh")) as fresh:
        fresh.index(*ROOTS)
        assert features_by_path(folder) == features_by_path(fresh)


def features_by_path(folder: IndexedFolder) -> dict[str, bytes]:
    there = [row for row in folder.rows().values() if row.source is not None and not row.missing]
    return {row.source.path: folder.phash(row.id) for row in there if row.source is not None}

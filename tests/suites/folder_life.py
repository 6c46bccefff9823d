"""A folder that is lived with: seeded changes to its files, and a library that is asked to follow them.

``live`` makes the changes, indexes now and then, watches now and then, and kills what it started now and then. At the
end the library is what the folder is, with the features of a fresh index, and no picture was computed that was known.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

ROOTS = ("camera", "phone", "scans")
FOLDERS = ("", "2019", "2019/summer", "2020", "best of")


class FollowedFolder(Protocol):
    """What follows the folder: in one process, or a service."""

    photos: Path

    def write(self, name: str, seed: int) -> Path: ...

    def follow(self, roots: tuple[str, ...]) -> None:
        """Indexes these roots."""

    def be_killed(self, roots: tuple[str, ...]) -> None:
        """As `follow`, but dies at some moment in between."""

    def watch(self, changed: set[str]) -> None:
        """Follows the changes at these paths, as the system tells of them."""


class FolderLife:
    """roots: folders below ``photos``."""

    def __init__(self, library: FollowedFolder, seed: int, photos: int) -> None:
        self._library = library
        self._random = random.Random(seed)
        self._made = 0
        self._hidden: tuple[Path, int] | None = None
        self._away: str | None = None
        self.copies: Counter[str] = Counter()  # of each picture, by its SHA-256
        self.changes: Counter[str] = Counter()
        self._changed: set[str] = set()
        for _ in range(photos):
            self._add()

    def live(self, changes: int, every: int) -> None:
        """every: so many changes the library is brought up to date, more or less."""
        kinds: dict[str, tuple[int, Callable[[], None]]] = {
            "add": (4, self._add),
            "edit": (4, self._edit),
            "rename": (4, self._rename),
            "move": (4, self._move),
            "rename folder": (1, self._rename_folder),
            "delete": (4, self._delete),
            "swap": (3, self._swap),
            "replace": (2, self._replace),
            "copy": (1, self._copy),
            "touch": (1, self._touch),
            "unreadable": (1, self._unreadable),
            "root away": (1, self._root_away),
        }
        names, weights = list(kinds), [weight for weight, _ in kinds.values()]
        for _ in range(changes):
            kind = self._random.choices(names, weights)[0]
            if self._files() or kind == "add":
                kinds[kind][1]()
                self.changes[kind] += 1
            if self._random.random() < 1 / every:
                self._bring_up_to_date()
        self._come_back()
        self._library.follow(ROOTS)

    def _bring_up_to_date(self) -> None:
        how = self._random.random()
        if how < 0.4 and self._away is None:
            self._library.watch(self._changed)
        elif how < 0.6:
            self._library.be_killed(ROOTS)
        else:
            self._library.follow(ROOTS)
        self._changed = set()

    def _files(self) -> list[Path]:
        every = self._library.photos.rglob("*")
        return sorted(path for path in every if path.is_file() and not path.name.startswith("."))

    def _some(self) -> Path:
        return self._random.choice(self._files())

    def _name(self) -> str:
        """Often one that there is somewhere else: cameras count from 1."""
        root = self._random.choice([root for root in ROOTS if root != self._away])
        return os.path.join(root, self._random.choice(FOLDERS), f"IMG_{self._random.randrange(400):04d}.jpg")

    def _free_place(self) -> Path:
        while (path := self._library.photos / self._name()).exists():
            pass
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _note(self, *paths: Path) -> None:
        self._changed.update(str(path) for path in paths)

    def _write(self, path: Path) -> None:
        self._made += 1
        self._library.write(str(path.relative_to(self._library.photos)), self._made)
        self._note(path)

    def _add(self) -> None:
        self._write(self._free_place())

    def _edit(self) -> None:
        self._write(self._some())

    def _replace(self) -> None:
        """By another file, which loses its own name."""
        source, target = self._some(), self._some()
        os.replace(source, target)
        self._note(source, target)

    def _rename(self) -> None:
        source = self._some()
        target = source.with_name(f"renamed {self._random.randrange(10**6)}.jpg")
        os.rename(source, target)
        self._note(source, target)

    def _move(self) -> None:
        source, target = self._some(), self._free_place()
        os.rename(source, target)
        self._note(source, target)

    def _rename_folder(self) -> None:
        source = self._some().parent
        if source.parent == self._library.photos:
            return
        target = source.with_name(f"folder {self._random.randrange(10**6)}")
        os.rename(source, target)
        self._note(source, target)

    def _delete(self) -> None:
        path = self._some()
        path.unlink()
        self._note(path)

    def _swap(self) -> None:
        first, second = self._some(), self._some()
        if first != second:
            between = first.with_name("between.tmp")
            os.rename(first, between)
            os.rename(second, first)
            os.rename(between, second)
            self._note(first, second)

    def _copy(self) -> None:
        source, target = self._some(), self._free_place()
        shutil.copy2(source, target)
        self.copies[hashlib.sha256(source.read_bytes()).hexdigest()] += 1
        self._note(target)

    def _touch(self) -> None:
        path = self._some()
        os.utime(path, (self._random.randrange(10**9), self._random.randrange(10**9)))
        self._note(path)

    def _unreadable(self) -> None:
        """For a while: a folder of its name stands in the place of a file."""
        if self._hidden is None:
            path = self._some()
            kept = path.with_name("." + path.name)
            os.rename(path, kept)
            path.mkdir()
            self._hidden = (path, 0)
            self._note(path)
        else:
            self._show_again()

    def _show_again(self) -> None:
        if self._hidden is not None:
            path, _ = self._hidden
            kept = path.with_name("." + path.name)
            if path.is_dir() and kept.exists():
                path.rmdir()
                os.rename(kept, path)
                self._note(path)
            self._hidden = None

    def _root_away(self) -> None:
        """An empty folder in its place, as of a drive that is not mounted; or it is back. The library is brought up to
        date before: of a file that moved there and that nobody has seen since, nothing can be known.
        """
        if self._away is not None:
            self._come_back()
            return
        self._show_again()
        root = self._random.choice(ROOTS)
        if (self._library.photos / root).exists() and len(list((self._library.photos / root).iterdir())):
            self._library.follow(ROOTS)
            os.rename(self._library.photos / root, self._elsewhere(root))
            (self._library.photos / root).mkdir()
            self._away = root

    def _come_back(self) -> None:
        self._show_again()
        if self._away is not None:
            (self._library.photos / self._away).rmdir()
            os.rename(self._elsewhere(self._away), self._library.photos / self._away)
            self._away = None

    def _elsewhere(self, root: str) -> Path:
        return self._library.photos.parent / f"{root} is away"

"""The photos of an original installation: which file is the picture with an id."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from graph.ambience_data.defects import Defects
from storage.files import EVERYWHERE, lies_in

_SEVERAL = ""  # in the place of a path: files of that name in several folders


class Photos:
    """Files below a folder, by their name, and by the number before the first dot of it."""

    def __init__(self, folder: str, roots: Sequence[Path] = EVERYWHERE) -> None:
        """Reads the names of all files; hidden ones are left out, and those that lead out of the roots."""
        self._folder = os.path.realpath(folder)
        self._roots = [os.path.realpath(root) for root in roots]
        self._by_name: dict[str, str] = {}
        self._by_number: dict[int, str] = {}
        for path in _files(self._folder):
            if not lies_in(os.path.realpath(path), self._roots):
                continue
            name = os.path.basename(path)
            self._by_name[name] = _SEVERAL if name in self._by_name else path
            number = name.partition(".")[0]
            if number.isascii() and number.isdigit() and len(number) < 20:
                self._by_number[int(number)] = _SEVERAL if int(number) in self._by_number else path

    def find(self, image_id: int, file_name: str | None, defects: Defects) -> str | None:
        """The picture's file: of its name, or where it has none, of its number. None where there is no such file, or
        several, which are defects.
        """
        path = self._by_number.get(image_id) if file_name is None else self._below(file_name)
        if path is None and file_name is not None:
            path = self._by_name.get(os.path.basename(file_name))
        called = repr(file_name) if file_name is not None else f"{image_id} and an ending"
        if path == _SEVERAL:
            defects.add(
                "photo_not_clear", f"photo of {image_id}", f"several files in {self._folder} are called {called}"
            )
        elif path is None:
            defects.add("photo_not_found", f"photo of {image_id}", f"no file in {self._folder} is called {called}")
        return path or None

    def _below(self, file_name: str) -> str | None:
        """The file at exactly this place below the folder."""
        path = os.path.normpath(os.path.join(self._folder, file_name))
        is_below = path.startswith(self._folder + os.sep) and lies_in(os.path.realpath(path), self._roots)
        return path if is_below and os.path.isfile(path) else None


def _files(folder: str) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(place, name) for name in sorted(names) if not name.startswith("."))

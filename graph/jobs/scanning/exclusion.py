"""What is not to be looked at in a folder: patterns as in a ``.gitignore``, given or in a file of the folder itself."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pathspec import GitIgnoreSpec

from storage.errors import InvalidField

IGNORE_FILE = ".lookalikeignore"


def check_patterns(given: Sequence[str]) -> None:
    """Raises `InvalidField` for one that excludes nothing: empty, a comment, or broken, as ``[`` is, which a
    ``.gitignore`` passes over in silence.
    """
    for pattern in given:
        try:
            spec = GitIgnoreSpec.from_lines([pattern])
        except ValueError:
            spec = GitIgnoreSpec([])
        if not any(one.include is not None for one in spec.patterns):
            raise InvalidField(
                f"exclude: {pattern!r} is no pattern that excludes anything", "write it as in a .gitignore, like *.gif"
            )


class Patterns:
    """Of one walk through a folder, from the top down."""

    def __init__(self, root: str, given: Sequence[str]) -> None:
        """Raises `InvalidField` for a pattern that is none."""
        self._specs: list[tuple[str, GitIgnoreSpec]] = []
        self._add(root, given, "exclude")

    def enter(self, folder: str, names: Sequence[str]) -> None:
        """Takes in the patterns of the folder itself. names: of its files."""
        if IGNORE_FILE in names:
            path = os.path.join(folder, IGNORE_FILE)
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    lines = file.read().splitlines()
            except OSError:
                return
            self._add(folder, lines, path)

    def exclude(self, path: str) -> bool:
        """path: of a file, or of a folder with a slash at its end. What the deepest folder says counts."""
        for folder, spec in reversed(self._specs):
            if path.startswith(folder):
                said = spec.check_file(path[len(folder) :]).include
                if said is not None:
                    return said
        return False

    def _add(self, folder: str, lines: Sequence[str], where: str) -> None:
        try:
            spec = GitIgnoreSpec.from_lines(lines)
        except ValueError as failure:
            raise InvalidField(f"{where}: {failure}", "use patterns as in a .gitignore file") from failure
        if spec.patterns:
            self._specs.append((os.path.join(folder, ""), spec))

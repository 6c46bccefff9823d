"""Moving files aside and back, as the command does it, with a made-up index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from graph.moving import move_aside as moving
from graph.moving.journal import NAME, opened
from graph.moving.move_back import Moves, put_back
from lookalike_client import Client, DuplicateGroup
from tests.unit.graph.moving.duplicate_files import Index


def move(aside: Path, *groups: DuplicateGroup, index: Index | None = None) -> Moves:
    with client_of(index or Index(*groups)) as client, opened(aside, create=True) as journal:
        moving.resume(journal, client)
        return moving.move_duplicates(journal, groups, client)


def undo(aside: Path) -> Moves:
    with opened(aside, create=False) as journal:
        return put_back(journal)


@contextmanager
def client_of(index: Index) -> Iterator[Client]:
    with Client("http://127.0.0.1:8000", transport=httpx.MockTransport(index), retries=0) as client:
        yield client


def contents(folder: Path) -> dict[str, bytes]:
    """Of every picture below the folder, by its path from there."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != NAME
    }


def reasons(moves: Moves) -> dict[str, str]:
    return {Path(one.path).name: one.reason for one in moves.unmoved}

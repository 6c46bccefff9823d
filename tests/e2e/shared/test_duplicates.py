"""Duplicates as a user finds, moves and puts back: a folder with copies, in a real service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from graph.client import Client
from tests.e2e.running_service import RunningService
from tests.unit.graph.local_catalog import photo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

SEEDS = range(7400, 7404)
COPIES = {"dup/original.jpg", "dup/small/mirrored.jpg", "dup/small/recompressed.jpg"}
ALONE = {f"dup/other {seed}.jpg" for seed in SEEDS}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A photo with three copies, and others that are like nothing."""
    folder = tmp_path / "Pictures" / "dup"
    (folder / "small").mkdir(parents=True)
    noise = np.random.default_rng(7399).integers(0, 256, (36, 48, 3), np.uint8)  # detail, which hashes go by
    picture = Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC)
    picture.save(folder / "original.jpg", quality=95)
    (folder / "again.jpg").write_bytes((folder / "original.jpg").read_bytes() + b"\0")  # a byte more: it is kept
    small = picture.resize((320, 240))
    small.save(folder / "small" / "recompressed.jpg", quality=60)
    ImageOps.mirror(small).save(folder / "small" / "mirrored.jpg", quality=80)
    for seed in SEEDS:
        (folder / f"other {seed}.jpg").write_bytes(photo(seed, (200, 150)))
    return folder.parent


@pytest.fixture
def indexed(shared_service: RunningService, client: Client, photos: Path) -> Iterator[Path]:
    assert shared_service.run("index", str(photos)).returncode == 0
    yield photos
    for row in list(client.images()):
        if row.id.startswith("dup/"):
            client.delete(row.id)


def ids(client: Client) -> set[str]:
    return {row.id for row in client.images() if row.id.startswith("dup/")}


def test_duplicates_are_shown_moved_and_put_back(
    shared_service: RunningService, client: Client, indexed: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in indexed.rglob("*.jpg")}
    [found] = [group for group in client.duplicates() if group.keep.id.startswith("dup/")]
    assert found.keep.id == "dup/again.jpg"
    assert {one.id for one in found.duplicates} == COPIES
    assert all(one.distance is not None and one.distance <= 64 for one in found.duplicates)

    aside = tmp_path / "aside"
    rehearsed = shared_service.run("duplicates", "--move", str(aside), "--dry-run")
    assert rehearsed.returncode == 0, rehearsed.stderr
    assert "would move 3 files, " in rehearsed.stdout
    assert not aside.exists()

    moved = shared_service.run("duplicates", "--move", str(aside), "--yes", "--json")
    assert moved.returncode == 0, moved.stderr
    assert {one["id"] for one in json.loads(moved.stdout)["moved"]} == COPIES
    assert ids(client) == {"dup/again.jpg", *ALONE}
    assert {path.relative_to(indexed).as_posix() for path in indexed.rglob("*.jpg")} == ids(client)
    assert [group for group in client.duplicates() if group.keep.id.startswith("dup/")] == []

    refused = shared_service.run("duplicates", "--move", str(indexed / "aside"))
    assert (refused.returncode, "indexed" in refused.stderr) == (2, True)

    undone = shared_service.run("duplicates", "--undo", str(aside))
    assert undone.returncode == 0, undone.stderr
    assert {path: path.read_bytes() for path in indexed.rglob("*.jpg")} == before
    command = undone.stdout.splitlines()[-1].split()
    assert command == ["lookalike", "index", f"{indexed}/"]
    assert shared_service.run(*command[1:]).returncode == 0
    assert ids(client) == {"dup/again.jpg", *COPIES, *ALONE}

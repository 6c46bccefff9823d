"""``lookalike index`` on folders as people have them: nested, oddly named, with files that only look like pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from PIL import Image

from graph.client import Client
from storage.errors import ImageNotFound
from tests.e2e.running_service import RunningService, free_port, wait_for
from tests.unit.graph.local_catalog import photo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

ODD_NAMES = (
    "summer holiday/beach 1.JPG",
    "ünïcödé/写真 😀.png",
    "a'b\"c;d&e/100%.webp",
    "x/y/z/deep.jpeg",
    "plain.jpg",
)


def write_photo(path: Path, seed: int) -> Path:
    """A picture in the format of the path's suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(photo(seed))
    if path.suffix.lower() not in (".jpg", ".jpeg"):
        with Image.open(path) as image:
            image.load()
        image.save(path)
    return path


def forget(client: Client, ids: Iterable[str]) -> None:
    for image_id in ids:
        client.delete(image_id)


def one_line(done: CompletedProcess[str]) -> str:
    [line] = done.stderr.splitlines()
    return line


def test_odd_names_are_indexed_and_files_that_are_no_pictures_are_listed(
    shared_service: RunningService, client: Client, tmp_path: Path
) -> None:
    for seed, name in enumerate(ODD_NAMES, start=5000):
        write_photo(tmp_path / name, seed)
    bad = {
        "words.jpg": b"these are words\n" * 20,
        "cut.jpg": photo(1)[: len(photo(1)) // 2],
        "empty.jpg": b"",
        os.fsdecode(b"latin-\xe9.jpg"): photo(2),
    }
    for name, data in bad.items():
        (tmp_path / "x" / name).write_bytes(data)
    for ignored in ("notes.txt", ".hidden.jpg", ".cache/thumb.jpg"):
        (tmp_path / ignored).parent.mkdir(exist_ok=True)
        (tmp_path / ignored).write_bytes(photo(3))
    before = client.stats().images
    done = shared_service.run("index", str(tmp_path))
    assert done.returncode == 0
    assert "indexed 5 new, 0 replaced, 0 unchanged, 4 could not be read" in done.stdout
    assert "1 passed over: 1 .txt" in done.stdout
    assert f"1 hidden folder not looked into: {tmp_path}/.cache" in done.stdout
    for seed, image_id in enumerate(ODD_NAMES, start=5000):
        assert client.search(image=photo(seed), features=["phash"], k=1).results[0].id == image_id
        assert client.original(image_id) == (tmp_path / image_id).read_bytes()
    [job] = client.jobs()[:1]
    codes = {Path(failure.path).name: failure.code for failure in client.job_failures(job.id).failures}
    assert codes == {
        "words.jpg": "unsupported_image",
        "cut.jpg": "unreadable_image",
        "empty.jpg": "unsupported_image",
        "latin-?.jpg": "invalid_field",
    }
    assert all(failure.reason for failure in client.job_failures(job.id).failures)
    assert client.stats().images == before + 5
    forget(client, ODD_NAMES)


def test_a_file_that_became_another_picture_replaces_what_it_was(
    shared_service: RunningService, client: Client, tmp_path: Path
) -> None:
    path = write_photo(tmp_path / "changing.jpg", 5300)
    assert shared_service.run("index", str(path)).returncode == 0
    write_photo(path, 5301)
    done = shared_service.run("index", str(path), "--on-conflict", "replace")
    assert "1 replaced" in done.stdout
    assert client.search(image=photo(5301), k=1).results[0].id == "changing.jpg"
    assert client.search(image=photo(5300), features=["phash"], k=1).results[0].matches["phash"]["distance"] > 64
    write_photo(path, 5302)
    with pytest.raises(ImageNotFound):
        client.original("changing.jpg")  # the file is another picture now
    forget(client, ["changing.jpg"])


def test_a_detached_job_goes_on_by_itself(shared_service: RunningService, client: Client, tmp_path: Path) -> None:
    path = write_photo(tmp_path / "detached.jpg", 5400)
    done = shared_service.run("index", str(path), "--detach")
    assert done.returncode == 0
    [job_id] = done.stdout.split()

    def shown() -> dict[str, Any]:
        return dict(json.loads(shared_service.run("jobs", job_id, "--json").stdout)["job"])

    wait_for(lambda: shown()["state"] == "succeeded", "the detached job ends")
    assert shown()["added"] == 1
    assert job_id in shared_service.run("jobs").stdout
    assert client.get("detached.jpg").path == str(path)
    forget(client, ["detached.jpg"])


def test_a_missing_path_and_a_service_that_is_away_are_one_line_each(
    shared_service: RunningService, tmp_path: Path
) -> None:
    missing = shared_service.run("index", str(tmp_path / "no such folder"))
    assert missing.returncode == 2
    assert "no such folder" in one_line(missing)
    assert shared_service.run("index").returncode == 2
    away = shared_service.run("index", str(tmp_path), "--server", f"http://127.0.0.1:{free_port()}")
    assert away.returncode == 3
    assert "lookalike serve" in one_line(away)

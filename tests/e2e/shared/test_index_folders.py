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


def indexed(running: RunningService, *arguments: str) -> str:
    """The summary line."""
    done = running.run("index", *arguments)
    assert done.returncode == 0, done.stderr
    return next(line for line in done.stdout.splitlines() if line.startswith("indexed"))


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


@pytest.mark.parametrize(
    ("id_from", "names", "ids"),
    [
        ("stem", ["a/one.jpg", "b/two.JPG"], ["one", "two"]),
        ("int", ["0012.jpg", "7.small.jpg"], ["12", "7"]),
        ("sha256", ["one.jpg", "same-as-one.jpg"], None),
    ],
)
def test_ids_come_from_where_they_are_told_to(
    shared_service: RunningService,
    client: Client,
    tmp_path: Path,
    id_from: str,
    names: list[str],
    ids: list[str] | None,
) -> None:
    files = [write_photo(tmp_path / name, 5100 if ids is None else 5100 + i) for i, name in enumerate(names)]
    summary = indexed(shared_service, str(tmp_path), "--id-from", id_from)
    if ids is None:
        [sha256] = {row.sha256 for row in client.images() if row.path in [str(file) for file in files]}
        ids = [sha256]
    assert f"indexed {len(ids)} new" in summary
    assert [client.get(image_id).id for image_id in ids] == ids
    assert f"indexed 0 new, 0 replaced, {len(names)} unchanged" in indexed(
        shared_service, str(tmp_path), "--id-from", id_from
    )
    forget(client, ids)


def test_names_that_give_no_id_are_listed(shared_service: RunningService, client: Client, tmp_path: Path) -> None:
    write_photo(tmp_path / "a" / "1.jpg", 5200)
    write_photo(tmp_path / "b" / "1.jpg", 5201)
    write_photo(tmp_path / "name.jpg", 5202)
    done = shared_service.run("index", str(tmp_path), "--id-from", "int")
    assert done.returncode == 0
    assert "indexed 1 new, 0 replaced, 0 unchanged, 2 could not be read" in done.stdout
    assert client.get("1").path == str(tmp_path / "a" / "1.jpg")
    forget(client, ["1"])


def test_a_changed_file_is_left_alone_or_replaced_as_told(
    shared_service: RunningService, client: Client, tmp_path: Path
) -> None:
    write_photo(tmp_path / "changing.jpg", 5300)
    assert "indexed 1 new" in indexed(shared_service, str(tmp_path))
    first = client.get("changing.jpg").sha256
    write_photo(tmp_path / "changing.jpg", 5301)
    assert "0 replaced" in indexed(shared_service, str(tmp_path), "--on-conflict", "skip")
    assert client.get("changing.jpg").sha256 == first
    with pytest.raises(ImageNotFound):
        client.original("changing.jpg")  # the file is another picture now
    assert "1 replaced" in indexed(shared_service, str(tmp_path), "--on-conflict", "replace")
    assert client.get("changing.jpg").sha256 != first
    assert client.search(image=photo(5301), k=1).results[0].id == "changing.jpg"
    assert client.search(image=photo(5300), features=["phash"], k=1).results[0].matches["phash"]["distance"] > 64
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

"""An indexing job from its listing to its record, over shards in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from graph.config.settings import AppSettings
from graph.jobs.index import IndexJob
from storage.operations.jobs import FailuresOfJob, PutJob
from storage.operations.pictures import Page
from storage.types.jobs import JobRecord
from storage.types.pictures import ImageRecord
from tests.unit.graph.jobs.local_fleet import LocalFleet
from tests.unit.graph.local_catalog import photo

JOB = "index-1"


class Folder:
    """Photos, and the rows that jobs make of them."""

    def __init__(self, folder: Path) -> None:
        self.photos = folder / "photos"
        self.settings = AppSettings.model_validate({"extractors": {"phash": {}}, "shards": 2, "batch": {"threads": 2}})
        self.fleet = LocalFleet(folder / "data", self.settings)

    def write(self, name: str, seed: int) -> Path:
        path = self.photos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(seed))
        return path

    def index(self, id_from: str = "path", on_conflict: str = "replace") -> JobRecord:
        now = time.time()
        told = {"paths": [str(self.photos)], "id_from": id_from, "on_conflict": on_conflict, "watch": False}
        record = JobRecord(JOB, "index", "queued", now, now, told)
        self.fleet.ask(0, PutJob(record))
        job = IndexJob(record, self.settings, self.fleet)
        job.run()
        return job.progress.record

    def rows(self) -> dict[str, ImageRecord]:
        return {row.id: row for page in self.fleet.ask_each(Page(None, 100)) for row in page}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    monkeypatch.setattr("graph.jobs.index.settle", lambda: None)
    monkeypatch.setattr("graph.jobs.index.cluster_cpus", lambda: 0.0)
    made = Folder(tmp_path)
    yield made
    made.fleet.close()


@pytest.mark.parametrize(
    ("id_from", "names", "ids"),
    [
        ("stem", ["a/one.jpg", "b/two.JPG"], ["one", "two"]),
        ("int", ["0012.jpg", "7.small.jpg"], ["12", "7"]),
        ("sha256", ["one.jpg", "same-as-one.jpg"], None),
    ],
)
def test_ids_come_from_where_they_are_told_to(
    folder: Folder, id_from: str, names: Sequence[str], ids: Sequence[str] | None
) -> None:
    for number, name in enumerate(names):
        folder.write(name, 1 if ids is None else number)
    done = folder.index(id_from)
    rows = folder.rows()
    if ids is None:
        [row] = rows.values()
        ids = [row.sha256]
    assert sorted(rows) == sorted(ids)
    assert (done.added, done.unchanged, done.failed) == (len(ids), len(names) - len(ids), 0)
    again = folder.index(id_from)
    assert (again.added, again.replaced, again.unchanged) == (0, 0, len(names))


def test_names_that_give_no_id_are_listed(folder: Folder) -> None:
    first = folder.write("a/1.jpg", 0)
    second, nameless = folder.write("b/1.jpg", 1), folder.write("name.jpg", 2)
    done = folder.index("int")
    assert (done.added, done.replaced, done.unchanged, done.failed) == (1, 0, 0, 2)
    source = folder.rows()["1"].source
    assert source is not None
    assert source.path == str(first)
    failures: Any = folder.fleet.ask(0, FailuresOfJob(JOB, 0, 10))
    assert {one.path for one in failures} == {str(second), str(nameless)}


def test_a_changed_file_is_left_alone_or_replaced_as_told(folder: Folder) -> None:
    folder.write("changing.jpg", 0)
    assert folder.index().added == 1
    first = folder.rows()["changing.jpg"].sha256
    folder.write("changing.jpg", 1)
    assert folder.index(on_conflict="skip").replaced == 0
    assert folder.rows()["changing.jpg"].sha256 == first
    assert folder.index(on_conflict="replace").replaced == 1
    assert folder.rows()["changing.jpg"].sha256 != first

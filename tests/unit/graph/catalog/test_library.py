"""The folders that the collection follows: what is known of them, watching them, forgetting them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graph.catalog.library import Library
from graph.requests.shards import Shards
from storage.errors import NotFound
from storage.operations.roots import NoteScans, Roots
from storage.types.jobs import JobRecord
from storage.types.library import Root
from storage.types.mutations import DeleteImage
from storage.types.pictures import SourceFile
from tests.unit.graph.http.fake_catalog import FakeJobs
from tests.unit.graph.local_catalog import LocalService, local_service
from tests.unit.storage.samples import put
from tests.unit.waiting import PATIENCE_S


class WatchJobs(FakeJobs):
    """Remembers what is watched."""

    async def submit_index(self, paths: Any, **how: Any) -> str:
        job_id = await super().submit_index(paths, **how)
        arguments = {"paths": list(paths), **how}
        self.records[job_id] = replace(self.records[job_id], arguments=arguments, submitted_at=time.time())
        return job_id

    def running(self) -> list[list[str]]:
        return [job.arguments["paths"] for job in self.records.values() if job.state == "running"]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LocalService]:
    with local_service(tmp_path / "data") as made:
        yield made


@pytest.fixture
def jobs() -> WatchJobs:
    return WatchJobs()


@pytest.fixture
def library(service: LocalService, jobs: WatchJobs) -> Library:
    return Library(Shards(service.shards, timeout_s=PATIENCE_S, write_timeout_s=PATIENCE_S), jobs)


async def noted(service: LocalService, *roots: Root) -> None:
    await service.shards[0].ask(NoteScans(roots), timeout_s=PATIENCE_S)


async def watched(service: LocalService) -> list[str]:
    known = await service.shards[0].ask(Roots(), timeout_s=PATIENCE_S)
    return [root.path for root in known if root.watched]


async def test_a_folder_is_described_as_it_is_now(service: LocalService, library: Library, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    await noted(service, Root(str(photos), passed_over={".mp4": 8}, last_scan_at=1.5))
    shards = Shards(service.shards, timeout_s=PATIENCE_S, write_timeout_s=PATIENCE_S)
    for name in ("a", "b", "c"):
        await shards.write(name, put(name, source=SourceFile(str(photos / name), 1, 1)))
    await shards.write("c", DeleteImage("by hand", "c", stays_out=True))
    [empty] = await library.roots()
    (photos / "a").write_bytes(b"")
    [root] = await library.roots()
    assert (empty.reachable, root.reachable) == (False, True)
    assert (root.pictures, root.missing, root.kept_out, root.passed_over) == (2, 0, 1, {".mp4": 8})
    assert root.last_scan_at is not None
    assert root.last_scan_at.timestamp() == 1.5


@pytest.mark.parametrize(
    ("state", "submitted_at", "looked_at"),
    [("running", 100.0, 900.0), ("stopped", 100.0, 900.0), ("failed", 100.0, 500.0), ("running", 600.0, 500.0)],
    ids=["watching", "stopped", "failed", "not yet through it"],
)
async def test_a_folder_was_last_looked_at_when_its_watcher_was_last_seen(
    service: LocalService,
    library: Library,
    jobs: WatchJobs,
    tmp_path: Path,
    state: str,
    submitted_at: float,
    looked_at: float,
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    path = str(tmp_path)
    await noted(service, Root(path, last_scan_at=500.0, watched=True), Root("/away", last_scan_at=500.0, watched=True))
    told = {"paths": [path, "/away"], "watch": True}
    jobs.records["job"] = JobRecord("job", "index", state, submitted_at, 900.0, told)
    away, there = await library.roots()
    assert away.last_scan_at is not None
    assert there.last_scan_at is not None
    assert (away.last_scan_at.timestamp(), there.last_scan_at.timestamp()) == (500.0, looked_at)


async def test_a_folder_is_watched_as_it_was_indexed_and_once(
    service: LocalService, library: Library, jobs: WatchJobs, tmp_path: Path
) -> None:
    (tmp_path / "alias").symlink_to(tmp_path)
    await noted(service, Root(str(tmp_path), id_from="stem", on_conflict="skip", exclude=("*.gif",)))
    first = await library.watch(str(tmp_path))
    assert await library.watch(str(tmp_path / "alias")) == first
    [job] = jobs.records.values()
    assert job.arguments == {
        "paths": [str(tmp_path)],
        "id_from": "stem",
        "on_conflict": "skip",
        "watch": True,
        "exclude": ("*.gif",),
        "prune": False,
    }
    assert await watched(service) == [str(tmp_path)]


async def test_what_is_watched_is_watched_again_when_its_job_has_gone(
    service: LocalService, library: Library, jobs: WatchJobs
) -> None:
    await noted(service, Root("/photos", watched=True), Root("/other"))
    await library.resume()
    await library.resume()
    assert jobs.running() == [["/photos"]]
    [job] = jobs.records.values()
    jobs.records[job.id] = replace(job, state="failed")
    await library.resume()
    assert jobs.running() == []  # it was tried a moment ago
    jobs.records[job.id] = replace(job, state="failed", submitted_at=time.time() - 3600)
    await library.resume()
    assert jobs.running() == [["/photos"]]


async def test_a_job_that_is_stopped_is_not_begun_again(
    service: LocalService, library: Library, jobs: WatchJobs
) -> None:
    await noted(service, Root("/photos"), Root("/other"))
    job_id = await library.watch("/photos")
    await library.stop(job_id)
    assert (jobs.running(), await watched(service)) == ([], [])
    await library.resume()
    assert jobs.running() == []


async def test_other_folders_of_a_job_are_watched_again_in_a_while(
    service: LocalService, library: Library, jobs: WatchJobs
) -> None:
    await noted(service, Root("/photos", watched=True), Root("/other", watched=True))
    await jobs.submit_index(["/photos", "/other"], id_from="path", on_conflict="skip", watch=True)
    await library.unwatch("/photos")
    assert (jobs.running(), await watched(service)) == ([], ["/other"])
    jobs.records = {name: replace(job, submitted_at=0.0) for name, job in jobs.records.items()}
    await library.resume()
    assert jobs.running() == [["/other"]]


async def test_a_forgotten_folder_is_watched_no_longer(
    service: LocalService, library: Library, jobs: WatchJobs
) -> None:
    await noted(service, Root("/photos"))
    await library.watch("/photos")
    await library.forget("/photos")
    assert (jobs.running(), await library.roots()) == ([], [])
    for call in (library.forget, library.watch, library.unwatch):
        with pytest.raises(NotFound, match="no folder that was indexed"):
            await call("/photos")


async def test_a_folder_that_is_no_longer_below_a_root_is_not_watched_again(
    service: LocalService, jobs: WatchJobs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shards = Shards(service.shards, timeout_s=PATIENCE_S, write_timeout_s=PATIENCE_S)
    library = Library(shards, jobs, [tmp_path / "photos"])
    inside, outside = str(tmp_path / "photos" / "2019"), str(tmp_path / "photos-too")
    await noted(service, Root(inside, watched=True), Root(outside, watched=True))
    for _ in range(2):
        await library.resume()
    assert jobs.running() == [[inside]]
    assert [outside in record.getMessage() for record in caplog.records] == [True]

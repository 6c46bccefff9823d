"""Folders of photos, and the rows that indexing jobs make of them, over shards in this process."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from graph.config.settings import AppSettings
from graph.jobs.index import IndexJob
from storage.operations.features import Features
from storage.operations.jobs import FailuresOfJob, PutJob
from storage.operations.pictures import Page
from storage.shard.placement import shard_of
from storage.types.jobs import JobFailure, JobRecord
from storage.types.mutations import DeleteImage
from storage.types.pictures import ImageRecord
from tests.unit.graph.jobs.local_fleet import LocalFleet
from tests.unit.graph.local_catalog import photo

SHARDS = 2


class IndexedFolder:
    """photos: where names of files begin, and what is indexed where nothing is said. data: of the shards."""

    def __init__(self, photos: Path, data: Path) -> None:
        self.photos = photos
        self.settings = AppSettings.model_validate(
            {"extractors": {"phash": {}}, "shards": SHARDS, "batch": {"threads": 2}}
        )
        self.fleet = LocalFleet(data, self.settings)
        self._data = data
        self._jobs = 0

    def close(self) -> None:
        self.fleet.close()

    def reopen(self) -> None:
        """As shards are that were killed."""
        self.fleet.close()
        self.fleet = LocalFleet(self._data, self.settings)

    def write(self, name: str, seed: int, size: tuple[int, int] = (64, 48)) -> Path:
        path = self.photos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(seed, size))
        return path

    def move(self, name: str, to: str) -> None:
        (self.photos / to).parent.mkdir(parents=True, exist_ok=True)
        os.rename(self.photos / name, self.photos / to)

    def job(self, *folders: str, id_from: str = "path", on_conflict: str = "replace", **arguments: Any) -> IndexJob:
        """Of these folders or files, or of all."""
        self._jobs += 1
        now = time.time()
        told = {
            "paths": [str(self.photos / folder) for folder in folders] or [str(self.photos)],
            "id_from": id_from,
            "on_conflict": on_conflict,
            "watch": False,
            **arguments,
        }
        record = JobRecord(f"index-{self._jobs}", "index", "queued", now, now, told)
        self.fleet.ask(0, PutJob(record))
        return IndexJob(record, self.settings, self.fleet)

    def index(self, *folders: str, **options: Any) -> JobRecord:
        job = self.job(*folders, **options)
        job.run()
        record = job.progress.record
        assert record.done == record.total
        return record

    def failures(self, job: JobRecord) -> list[JobFailure]:
        return self.fleet.ask(0, FailuresOfJob(job.id, 0, 100))

    def rows(self) -> dict[str, ImageRecord]:
        """Every row by its id, those of missing files among them."""
        return {row.id: row for page in self.fleet.ask_each(Page(None, 100_000)) for row in page}

    def library(self) -> dict[str, str]:
        """The SHA-256 of each picture by its path below the folder, where the file is there."""
        rows = [row for row in self.rows().values() if not row.missing]
        paths = {os.path.relpath(row.source.path, self.photos): row.sha256 for row in rows if row.source is not None}
        assert len(paths) == len(rows)
        return paths

    def remove(self, image_id: str) -> None:
        """As somebody does by hand."""
        delete = DeleteImage(f"by hand {time.time_ns()}", image_id, stays_out=True)
        self.fleet.apply(shard_of(image_id, SHARDS), [delete])

    def phash(self, image_id: str) -> bytes:
        features = self.fleet.ask(shard_of(image_id, SHARDS), Features(image_id, ("phash",)))
        assert features is not None
        return features["phash"].rows.tobytes()

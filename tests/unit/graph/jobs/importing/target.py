"""A collection that an original installation is imported into, in shards of this process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployments.extractors.color import Color
from deployments.extractors.phash import Phash
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import prepare_picture
from graph.config.settings import AppSettings
from graph.jobs.import_ambience import ImportJob
from storage.operations.features import Features
from storage.operations.jobs import FailuresOfJob, FindJob, PutJob
from storage.operations.pictures import Records
from storage.operations.reports import Stats, Verify
from storage.shard.placement import shard_of
from storage.types.features import FeatureRows, Vectors
from storage.types.jobs import JobRecord
from storage.types.pictures import ImageRecord
from storage.types.searches import FeatureQuery, ShardQuery
from tests.unit.graph.jobs.local_fleet import LocalFleet
from tests.unit.graph.local_catalog import photo

EXTRACTORS: Mapping[str, Mapping[str, Any]] = {"phash": {}, "color": {}}


class Target:
    """A collection that is imported into, and the folder of the original."""

    def __init__(
        self, folder: Path, extractors: Mapping[str, Mapping[str, Any]] = EXTRACTORS, *, shards: int = 2
    ) -> None:
        self.folder = folder
        self.original = folder / "original"
        self.photos = folder / "photos"
        self.photos.mkdir()
        raw = {"extractors": extractors, "shards": shards, "batch": {"threads": 2}}
        self.settings = AppSettings.model_validate(raw)
        self.fleet = LocalFleet(folder / "data", self.settings)
        self.jobs = 0

    def job(self, *paths: Path, **arguments: Any) -> ImportJob:
        self.jobs += 1
        now = time.time()
        asked: dict[str, Any] = {
            "paths": [str(path) for path in paths or (self.original,)],
            "photos": None,
            "dry_run": False,
            "keypoint_ranges": None,
            "features": {},
        }
        record = JobRecord(f"import-{self.jobs}", "import", "queued", now, now, asked | arguments)
        self.fleet.ask(0, PutJob(record))
        return ImportJob(record, self.settings, self.fleet)

    def run(self, *paths: Path, **arguments: Any) -> JobRecord:
        self.job(*paths, **arguments).run()
        stored = self.fleet.ask(0, FindJob(f"import-{self.jobs}"))
        assert stored is not None
        return stored

    def with_photos(self, *seeds: int) -> JobRecord:
        for seed in seeds:
            (self.photos / f"{seed}.jpg").write_bytes(photo(seed))
        return self.run(photos=str(self.photos))

    def failures(self) -> dict[str, str]:
        found = self.fleet.ask(0, FailuresOfJob(f"import-{self.jobs}", 0, 10_000))
        return {Path(one.path).name: one.code for one in found}

    def record(self, number: int) -> ImageRecord | None:
        [record] = self.fleet.ask(shard_of(str(number), self.fleet.count), Records((str(number),)))
        return record

    def kept(self, number: int) -> ImageRecord:
        record = self.record(number)
        assert record is not None
        return record

    def rows(self, number: int, feature: str) -> FeatureRows:
        features = self.fleet.ask(shard_of(str(number), self.fleet.count), Features(str(number), (feature,)))
        assert features is not None
        return features[feature]

    def nearest(self, feature: str, rows: Vectors, fingerprint: str = "") -> tuple[str, float]:
        query = ShardQuery((FeatureQuery(feature, rows, 1, fingerprint=fingerprint),))
        answers = [actor._shard.search([query])[0] for actor in self.fleet.actors]  # type: ignore[union-attr]
        hits = [hit for answer in answers for hit in answer.hits.get(feature, ())]
        best = min(hits, key=lambda hit: hit.distance)
        return best.id, best.distance

    def images(self) -> int:
        return sum(shard.images for shard in self.fleet.ask_each(Stats()))

    def problems(self) -> list[str]:
        return [problem for report in self.fleet.ask_each(Verify()) for problem in report.problems]


def counts(record: JobRecord) -> tuple[int, int, int, int, int, int]:
    return record.total, record.done, record.added, record.replaced, record.unchanged, record.failed


def tables(record: JobRecord) -> dict[str, tuple[int, int, int, int]]:
    """entries, imported, unchanged, left out, by the store's name."""
    return {
        Path(one["path"]).name: (one["entries"], one["imported"], one["unchanged"], one["left_out"])
        for one in record.report["tables"]
    }


def query_of(seed: int) -> tuple[Vectors, Vectors]:
    """phash and color of the photo as a query."""
    inputs = {Phash.image_input, Color.image_input}
    forms = prepare_picture(photo(seed), inputs, DecodeLimits()).forms
    [phash], [color] = Phash().extract([forms[Phash.image_input]]), Color().extract([forms[Color.image_input]])
    return phash.rows, color.rows

"""Pictures in two shards, seen by a model that is a file: another file is another model."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from deployments.extractor import Extractor
from deployments.extractors.registry import create_extractor
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import PreparedPicture, prepare_picture
from graph.catalog.put_image import put_image
from graph.config.settings import AppSettings
from graph.jobs.backfill import BackfillJob
from storage.operations.jobs import PutJob
from storage.operations.pictures import Records
from storage.operations.reports import Stats
from storage.shard.placement import shard_of
from storage.types.features import FeatureRows
from storage.types.jobs import JobRecord
from storage.types.mutations import MutationResult
from storage.types.pictures import ImageRecord, SourceFile
from storage.types.searches import FeatureQuery, ShardQuery
from tests.unit.graph.jobs.local_fleet import LocalFleet
from tests.unit.graph.local_catalog import photo

ID = "photo-{}"


def settings_for(weights: Path, **more: Any) -> AppSettings:
    extractors = {"phash": {}, "fake_model": {"weights": str(weights)}}
    return AppSettings.model_validate({"extractors": extractors, "shards": 2, "batch": {"threads": 2}, **more})


class Collection:
    """A data folder with its shards; models are files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.weights = folder / "weights"
        self.settings = settings_for(self.weights)
        self.fleet = LocalFleet(folder / "data", self.settings)

    def reopen(self) -> None:
        self.fleet.close()
        self.fleet = LocalFleet(self.folder / "data", self.settings)

    def add(
        self, *seeds: int, upload: bool = False, keep: bool = True, seen: bool = False, blank: bool = False
    ) -> None:
        """With phash alone; the other feature is pending, unless the picture is seen by the model there is. blank: with
        none.
        """
        extractors = [] if blank else [create_extractor("phash")]
        if seen:
            extractors.append(create_extractor("fake_model", {"weights": str(self.weights)}))
        for seed in seeds:
            inputs = {one.image_input for one in extractors}
            prepared = prepare_picture(photo(seed), inputs, DecodeLimits(), with_thumbnail=True)
            path = self.folder / f"{seed}.jpg"
            path.write_bytes(photo(seed))
            put = put_image(
                prepared.facts,
                {one.spec.name: rows_of(one, prepared) for one in extractors},
                image_id=ID.format(seed),
                operation_id=f"put {seed}",
                asked=["phash", "fake_model"],
                on_conflict="error",
                source=None if upload else SourceFile(str(path), 1, 1),
                original=photo(seed) if upload and keep else None,
            )
            [result] = self.fleet.apply_patiently(self.home(seed), [put])
            assert isinstance(result, MutationResult)

    def backfill(self, feature: str | None = None, *, allow_missing: bool = False) -> JobRecord:
        now = time.time()
        arguments = {"feature": feature, "allow_missing": allow_missing}
        record = JobRecord("backfill-1", "backfill", "queued", now, now, arguments)
        self.fleet.ask(0, PutJob(record))
        job = BackfillJob(record, self.settings, self.fleet, grace_s=0)
        job.run()
        job.progress.end("succeeded")
        return job.progress.record

    def move_on(self, weights: str, *seeds: int) -> None:
        """Adds the pictures, seen by a model, and puts another in its place."""
        self.add(*seeds)
        self.weights.write_text("one")
        self.backfill()
        self.weights.write_text(weights)

    def versions(self) -> list[tuple[str, str]]:
        """The model's mark and its role, of each shard."""
        known = [one for shard in self.fleet.ask_each(Stats()) for one in shard.versions["fake_model"]]
        marks = {self._fingerprint(weights): weights for weights in ("one", "two")}
        return [(marks[one.spec.fingerprint], one.role) for one in known]

    def whitenings(self) -> list[int]:
        return [shard.features["fake_model"].whitening for shard in self.fleet.ask_each(Stats())]

    def _fingerprint(self, weights: str) -> str:
        path = self.folder / f"weights-{weights}"
        path.write_text(weights)
        return create_extractor("fake_model", {"weights": str(path)}).spec.fingerprint

    def record(self, seed: int) -> ImageRecord:
        [record] = self.fleet.ask(self.home(seed), Records((ID.format(seed),)))
        assert record is not None
        return record

    def found(self, seed: int) -> str | None:
        """The id that the model now configured finds first for a picture."""
        model = create_extractor("fake_model", {"weights": str(self.weights)})
        prepared = prepare_picture(photo(seed), {model.image_input}, DecodeLimits())
        return self.nearest(rows_of(model, prepared), model.spec.fingerprint)

    def nearest(self, rows: FeatureRows, fingerprint: str) -> str | None:
        query = ShardQuery((FeatureQuery("fake_model", rows.rows, 1, fingerprint=fingerprint),))
        answers = [actor._shard.search([query])[0] for actor in self.fleet.actors]  # type: ignore[union-attr]
        hits = [hit for answer in answers for hit in answer.hits.get("fake_model", ())]
        return min(hits, key=lambda hit: hit.distance).id if hits else None

    def home(self, seed: int) -> int:
        return shard_of(ID.format(seed), self.fleet.count)


def rows_of(extractor: Extractor, picture: PreparedPicture) -> FeatureRows:
    [rows] = extractor.extract([picture.forms[extractor.image_input]])
    return replace(rows, fingerprint=extractor.spec.fingerprint)


def killed(*_: object) -> None:
    raise KeyboardInterrupt

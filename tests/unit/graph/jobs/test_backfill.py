"""What pictures wait for is computed by a job; a model that has changed gets an index of its own, which takes over."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from deployments.extractors.registry import create_extractor
from deployments.images import DecodeLimits
from deployments.prepared import prepare_picture
from graph.image_writes import put_image
from graph.jobs.backfill import BackfillJob
from graph.settings import AppSettings
from storage.errors import ExtractorUnavailable, InvalidRequest
from storage.types import FeatureQuery, FeatureRows, ImageRecord, JobRecord, ShardQuery, SourceFile
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

    def add(self, *seeds: int, upload: bool = False, keep: bool = True) -> None:
        """With phash alone; the other feature is pending."""
        phash = create_extractor("phash")
        for seed in seeds:
            prepared = prepare_picture(photo(seed), {phash.image_input}, DecodeLimits(), with_thumbnail=True)
            path = self.folder / f"{seed}.jpg"
            path.write_bytes(photo(seed))
            put = put_image(
                prepared.facts,
                {"phash": phash.extract([prepared.forms[phash.image_input]])[0]},
                image_id=ID.format(seed),
                operation_id=f"put {seed}",
                asked=["phash", "fake_model"],
                on_conflict="error",
                source=None if upload else SourceFile(str(path), 1, 1),
                original=photo(seed) if upload and keep else None,
            )
            self.fleet.apply_patiently(self._home(ID.format(seed)), [put])

    def backfill(self, feature: str | None = None) -> JobRecord:
        now = time.time()
        record = JobRecord("backfill-1", "backfill", "queued", now, now, {"feature": feature})
        self.fleet.ask(0, "put_job", record)
        job = BackfillJob(record, self.settings, self.fleet, grace_s=0)
        job.run()
        job.progress.end("succeeded")
        return job.progress.record

    def record(self, seed: int) -> ImageRecord:
        [record] = self.fleet.ask(self._home(ID.format(seed)), "records", [ID.format(seed)])
        assert record is not None
        return record  # type: ignore[no-any-return]

    def found(self, seed: int) -> str | None:
        """The id that the model now configured finds first for a picture."""
        model = create_extractor("fake_model", {"weights": str(self.weights)})
        prepared = prepare_picture(photo(seed), {model.image_input}, DecodeLimits())
        [rows] = model.extract([prepared.forms[model.image_input]])
        return self.nearest(rows, model.spec.fingerprint)

    def nearest(self, rows: FeatureRows, fingerprint: str) -> str | None:
        query = ShardQuery((FeatureQuery("fake_model", rows.rows, 1, fingerprint=fingerprint),))
        answers = [actor._shard.search([query])[0] for actor in self.fleet.actors]  # type: ignore[union-attr]
        hits = [hit for answer in answers for hit in answer.hits.get("fake_model", ())]
        return min(hits, key=lambda hit: hit.distance).id if hits else None

    def _home(self, image_id: str) -> int:
        from storage.placement import shard_of

        return shard_of(image_id, self.fleet.count)


@pytest.fixture
def collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collection]:
    monkeypatch.setattr("graph.jobs.backfill.settle", lambda: None)
    made = Collection(tmp_path)
    yield made
    made.fleet.close()


def failures(collection: Collection) -> Mapping[str, str]:
    return {one.path: one.code for one in collection.fleet.ask(0, "job_failures", "backfill-1", 0, 100)}


def test_what_was_pending_is_computed_from_files_and_from_kept_uploads(collection: Collection) -> None:
    collection.add(1, 2, 3)
    collection.add(4, upload=True)
    collection.weights.write_text("one")
    done = collection.backfill("fake_model")
    assert (done.total, done.done, done.added, done.failed) == (4, 4, 4, 0)
    assert [collection.found(seed) for seed in (1, 4)] == ["photo-1", "photo-4"]
    assert collection.record(3).features == {"phash": "ok", "fake_model": "ok"}
    assert collection.backfill().total == 0


def test_a_picture_that_cannot_be_read_any_more_is_listed_and_stops_nothing(collection: Collection) -> None:
    collection.add(1, 2, 3, 5)
    collection.add(6, upload=True, keep=False)
    (collection.folder / "1.jpg").unlink()
    (collection.folder / "2.jpg").write_bytes(photo(77))
    collection.weights.write_text("one")
    done = collection.backfill()
    assert (done.added, done.failed) == (2, 3)
    assert failures(collection) == {"photo-1": "unreadable_file", "photo-2": "unreadable_file", "photo-6": "no_file"}
    assert collection.found(3) == "photo-3"


def test_a_feature_whose_model_is_missing_fails_with_the_reason(collection: Collection) -> None:
    collection.add(1)
    with pytest.raises(ExtractorUnavailable, match="no weights"):
        collection.backfill("fake_model")
    assert collection.backfill().added == 0


def test_another_model_gets_an_index_of_its_own_that_takes_over(collection: Collection) -> None:
    collection.add(1, 2, 3)
    collection.add(4, upload=True)
    collection.weights.write_text("one")
    collection.backfill()
    old = collection.fleet.generations("fake_model")[0].spec.fingerprint
    collection.weights.write_text("two")
    done = collection.backfill("fake_model")
    assert (done.total, done.added, done.failed) == (4, 4, 0)
    assert [collection.found(seed) for seed in (1, 2, 3, 4)] == ["photo-1", "photo-2", "photo-3", "photo-4"]
    now = collection.fleet.generations("fake_model")
    assert {one.role for one in now} == {"in_use"}
    assert old not in {one.spec.fingerprint for one in now}
    assert collection.record(2).features == {"phash": "ok", "fake_model": "ok"}
    collection.reopen()
    assert collection.found(4) == "photo-4"
    assert all(not collection.fleet.ask(shard, "verify").problems for shard in range(2))


def test_the_old_model_answers_until_the_new_one_takes_over(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection.add(1, 2, 3)
    collection.weights.write_text("one")
    collection.backfill()
    old = create_extractor("fake_model", {"weights": str(collection.weights)})
    prepared = prepare_picture(photo(2), {old.image_input}, DecodeLimits())
    [rows] = old.extract([prepared.forms[old.image_input]])
    collection.weights.write_text("two")
    seen = []
    take_over = collection.fleet.take_over

    def looking(name: str, fingerprint: str) -> None:
        seen.append(collection.nearest(rows, old.spec.fingerprint))
        take_over(name, fingerprint)
        seen.append(collection.nearest(rows, old.spec.fingerprint))  # still, until it is dropped

    monkeypatch.setattr(collection.fleet, "take_over", looking)
    collection.backfill()
    assert seen == ["photo-2", "photo-2"]
    assert collection.nearest(rows, old.spec.fingerprint) is None


def test_a_job_that_was_cut_off_is_gone_on_with(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    collection.add(*range(6))
    collection.weights.write_text("one")
    collection.backfill()
    collection.weights.write_text("two")
    with monkeypatch.context() as patched:
        patched.setattr("graph.jobs.backfill.PAGE", 1)
        patched.setattr(BackfillJob, "_take_over", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            collection.backfill()
    collection.reopen()
    done = collection.backfill()
    assert done.total == 0
    assert [collection.found(seed) for seed in range(6)] == [f"photo-{seed}" for seed in range(6)]


def test_an_index_that_would_be_empty_does_not_take_over(collection: Collection) -> None:
    collection.add(1, 2)
    collection.weights.write_text("one")
    collection.backfill()
    for seed in (1, 2):
        (collection.folder / f"{seed}.jpg").unlink()
    collection.weights.write_text("two")
    with pytest.raises(InvalidRequest, match="no picture"):
        collection.backfill()
    collection.weights.write_text("one")
    assert collection.found(1) == "photo-1"

"""What pictures wait for is computed by a job; a model that has changed gets an index of its own, which takes over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from deployments.extractor import ImageInput, Pixels
from deployments.extractors.fake_model import FakeModel
from deployments.extractors.registry import create_extractor
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import prepare_picture
from graph.jobs.filling.take_over import TakeOver
from storage.errors import ExtractorUnavailable
from storage.operations.jobs import FailuresOfJob
from storage.operations.reports import Verify
from storage.types.features import FeatureRows
from tests.unit.graph.jobs.model_collection import Collection, killed
from tests.unit.graph.local_catalog import photo


def failures(collection: Collection) -> Mapping[str, str]:
    return {one.path: one.code for one in collection.fleet.ask(0, FailuresOfJob("backfill-1", 0, 100))}


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
    assert collection.versions() == [("one", "in_use")] * 2
    collection.weights.write_text("two")
    done = collection.backfill("fake_model")
    assert (done.total, done.added, done.failed) == (4, 4, 0)
    assert [collection.found(seed) for seed in (1, 2, 3, 4)] == ["photo-1", "photo-2", "photo-3", "photo-4"]
    assert collection.versions() == [("two", "in_use")] * 2
    assert collection.record(2).features == {"phash": "ok", "fake_model": "ok"}
    collection.reopen()
    assert collection.found(4) == "photo-4"
    assert all(not collection.fleet.ask(shard, Verify()).problems for shard in range(2))


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
    take_over = TakeOver._take_over

    def looking(self: TakeOver, name: str, fingerprint: str) -> None:
        seen.append(collection.nearest(rows, old.spec.fingerprint))
        take_over(self, name, fingerprint)
        seen.append(collection.nearest(rows, old.spec.fingerprint))  # still, until it is dropped

    monkeypatch.setattr(TakeOver, "_take_over", looking)
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
        patched.setattr(TakeOver, "_take_over", killed)
        with pytest.raises(KeyboardInterrupt):
            collection.backfill()
    collection.reopen()
    done = collection.backfill()
    assert done.total == 0
    assert [collection.found(seed) for seed in range(6)] == [f"photo-{seed}" for seed in range(6)]


def test_rows_that_a_shard_refuses_are_the_failure_of_that_picture(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection.add(1, 2, 3, blank=True)
    collection.weights.write_text("one")
    extract = FakeModel.extract

    blind_to = prepare_picture(photo(2), {ImageInput("gray", (8, 8))}, DecodeLimits()).forms

    def blind(self: FakeModel, images: Sequence[Pixels]) -> list[FeatureRows]:
        [unseen] = blind_to.values()
        seen = zip(images, extract(self, images), strict=True)
        return [FeatureRows(rows.rows * (0 if np.array_equal(image, unseen) else 1)) for image, rows in seen]

    monkeypatch.setattr(FakeModel, "extract", blind)
    done = collection.backfill()
    assert (done.added, done.failed, done.done) == (3 + 2, 1, 3)
    assert collection.record(2).features == {"phash": "ok", "fake_model": "pending"}
    assert failures(collection) == {"photo-2": "invalid_request"}
    assert [collection.found(seed) for seed in (1, 3)] == ["photo-1", "photo-3"]

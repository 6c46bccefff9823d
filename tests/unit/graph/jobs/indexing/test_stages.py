"""The three stages of an indexing job, as plain objects: the same rows as `IndexWorker` gives, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployments.extractor import ImageInput, Pixels
from deployments.extractors.fake_model import FakeModel
from graph.jobs.indexing.plan import IndexPlan, model_names
from graph.jobs.indexing.stage_columns import file_table, outcomes_of
from graph.jobs.indexing.stages import DecodeStage, ModelStage, WriteStage
from graph.jobs.indexing.worker import IndexWorker
from graph.jobs.running.progress import FileOutcome
from storage.operations.features import Features
from storage.operations.pictures import Records, Thumbnail
from storage.operations.reports import Stats, Verify
from storage.types.features import FeatureRows
from storage.types.pictures import SourceFile
from tests.unit.graph.jobs.indexing.test_worker import OneShard, by_name, files, known_specs
from tests.unit.graph.local_catalog import photo
from tests.unit.storage.samples import open_shard

GRAY = ImageInput("gray", (8, 8))
FEATURES = ("phash", "color", "local", "fake_model")


@pytest.fixture
def plan(tmp_path: Path) -> IndexPlan:
    (tmp_path / "weights").write_text("one")
    model = {"weights": str(tmp_path / "weights")}
    return IndexPlan("job-1", 1, {"phash": {}, "color": {}, "local": {}, "fake_model": model}, 10**8, "replace")


@pytest.fixture
def shards(tmp_path: Path, plan: IndexPlan) -> Iterator[tuple[OneShard, OneShard]]:
    """One for the stages, one for the worker."""
    specs = known_specs(plan.extractors)
    opened = [open_shard(tmp_path / name, specs, late=["fake_model"]) for name in ("stages", "worker")]
    yield OneShard(opened[0]), OneShard(opened[1])
    for shard in opened:
        shard.close()


def through_the_stages(
    plan: IndexPlan, writer: OneShard, listed: Sequence[tuple[str | None, SourceFile]]
) -> list[FileOutcome]:
    decode = DecodeStage(plan, [GRAY], writer)
    assert writer.adopted == []
    compute = ModelStage(plan, [GRAY], model_names(plan), writer)
    sent = decode(file_table(listed))
    assert {str(kind) for kind in sent.schema.types} <= {"binary", "int32"}
    return outcomes_of(WriteStage(plan, writer)(compute(sent)))


def features_of(writer: OneShard, image_id: str) -> dict[str, list[bytes]]:
    found = writer.shard.ask(Features(image_id, FEATURES))
    assert found is not None
    return {
        name: [rows.rows.tobytes(), *(array.tobytes() for _, array in sorted(rows.extras.items()))]
        for name, rows in found.items()
    }


def test_files_leave_the_same_rows_as_the_worker_gives_bit_for_bit(
    plan: IndexPlan, shards: tuple[OneShard, OneShard], tmp_path: Path
) -> None:
    listed = files(tmp_path / "in", {f"{seed}.jpg": photo(seed) for seed in range(5)})
    staged, whole = shards
    assert by_name(through_the_stages(plan, staged, listed)) == dict.fromkeys((f"{i}.jpg" for i in range(5)), "created")
    IndexWorker(plan, whole).index(listed)
    for image_id, _ in listed:
        assert image_id is not None
        [one], [other] = staged.shard.ask(Records((image_id,))), whole.shard.ask(Records((image_id,)))
        assert one is not None
        assert other is not None
        assert one == replace(other, added_at=one.added_at)
        assert set(one.features.values()) == {"ok"}
        assert features_of(staged, image_id) == features_of(whole, image_id)
        assert staged.shard.ask(Thumbnail(image_id)) == whole.shard.ask(Thumbnail(image_id))
    assert staged.adopted == ["fake_model"]
    assert staged.shard.ask(Verify()).problems == ()


def test_bad_files_are_outcomes_with_their_reason_and_stop_no_good_one(
    plan: IndexPlan, shards: tuple[OneShard, OneShard], tmp_path: Path
) -> None:
    listed = files(tmp_path / "in", {"text.jpg": b"no picture", "a.jpg": photo(1), "cut.jpg": photo(2)[:300]})
    listed.append(("gone.jpg", SourceFile(str(tmp_path / "in" / "gone.jpg"), 1, 1)))
    outcomes = through_the_stages(plan, shards[0], listed)
    assert by_name(outcomes) == {"a.jpg": "created", "text.jpg": "failed", "cut.jpg": "failed", "gone.jpg": "failed"}
    assert {outcome.code for outcome in outcomes} == {"", "unsupported_image", "unreadable_image", "unreadable_file"}
    assert by_name(through_the_stages(plan, shards[1], listed[:1])) == {"text.jpg": "failed"}


def test_a_model_that_fails_for_one_picture_leaves_only_its_feature_pending(
    plan: IndexPlan, shards: tuple[OneShard, OneShard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract, calls = FakeModel.extract, 0

    def failing(self: FakeModel, images: Sequence[Pixels]) -> list[FeatureRows]:
        nonlocal calls
        calls += 1
        if calls in (1, 3):  # the batch, and of its pictures the second
            raise RuntimeError("out of memory")
        return extract(self, images)

    monkeypatch.setattr(FakeModel, "extract", failing)
    listed = files(tmp_path / "in", {f"{seed}.jpg": photo(seed) for seed in range(3)})
    outcomes = through_the_stages(plan, shards[0], listed)
    assert {outcome.outcome for outcome in outcomes} == {"created"}
    records = [
        record
        for record in shards[0].shard.ask(Records(tuple(f"{seed}.jpg" for seed in range(3))))
        if record is not None
    ]
    assert [record.features["fake_model"] for record in records] == ["ok", "pending", "ok"]
    assert {record.features[name] for record in records for name in ("phash", "color", "local")} == {"ok"}


def test_a_model_that_is_not_loaded_leaves_its_feature_pending(
    plan: IndexPlan, shards: tuple[OneShard, OneShard], tmp_path: Path
) -> None:
    listed = files(tmp_path / "in", {"a.jpg": photo(1)})
    decoded = DecodeStage(plan, [], shards[0])(file_table(listed))
    assert by_name(outcomes_of(WriteStage(plan, shards[0])(decoded))) == {"a.jpg": "created"}
    [record] = shards[0].shard.ask(Records(("a.jpg",)))
    assert record is not None
    assert record.features == {"phash": "ok", "color": "ok", "local": "ok", "fake_model": "pending"}


def test_copies_in_a_block_are_one_picture_where_ids_come_from_contents(
    plan: IndexPlan, shards: tuple[OneShard, OneShard], tmp_path: Path
) -> None:
    listed = [(None, source) for _, source in files(tmp_path / "in", {"a.jpg": photo(1), "b.jpg": photo(1)})]
    outcomes = through_the_stages(plan, shards[0], listed)
    assert sorted(outcome.outcome for outcome in outcomes) == ["created", "unchanged"]
    assert shards[0].shard.ask(Stats()).images == 1


def test_models_and_tags_by_labels_are_for_the_gpu(plan: IndexPlan) -> None:
    annotators: Mapping[str, Mapping[str, Any]] = {
        "tags": {"labels": "default", "store": True},
        "caption": {"model": "x"},
    }
    extractors = {**plan.extractors, "image_text": {"model": "x"}}
    found = model_names(replace(plan, extractors=extractors, annotators=annotators))
    assert found == {"fake_model", "image_text", "tags", "caption"}

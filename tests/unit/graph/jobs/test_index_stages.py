"""The three stages of an indexing job, as plain objects: the same rows as `IndexWorker` gives, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from deployments.extractor import ImageInput, Pixels
from deployments.extractors.fake_model import FakeModel
from deployments.prepared import PictureFacts
from deployments.profile import extractor_profiles
from graph.jobs.gpu_stages import BLOCK_BYTES, FEWEST_FILES, files_a_block
from graph.jobs.index_plan import FileOutcome, IndexPlan
from graph.jobs.index_stages import DecodeStage, ModelStage, WriteStage
from graph.jobs.index_worker import IndexWorker
from graph.jobs.model_parts import model_names
from graph.jobs.read_pictures import ReadPicture
from graph.jobs.spread import BATCH_FILES
from graph.jobs.stage_columns import (
    computed_table,
    file_table,
    files_of,
    form_bytes,
    forms_of,
    outcome_table,
    outcomes_of,
    read_of,
    read_table,
)
from storage.shard import Shard
from storage.types import FeatureRows, FeatureSpec, SourceFile
from tests.unit.graph.jobs.test_index_worker import OneShard, by_name, files
from tests.unit.graph.local_catalog import photo

GRAY = ImageInput("gray", (8, 8))
FULL = ImageInput("rgb")
FEATURES = ("phash", "color", "local", "fake_model")


class Writer(OneShard):
    """Notes which models say of themselves what they are."""

    def __init__(self, shard: Shard) -> None:
        super().__init__(shard)
        self.adopted: list[str] = []

    def adopt(self, spec: FeatureSpec, origin: Mapping[str, Any]) -> None:
        self.adopted.append(spec.name)
        self.shard.adopt(spec, origin)


@pytest.fixture
def plan(tmp_path: Path) -> IndexPlan:
    (tmp_path / "weights").write_text("one")
    model = {"weights": str(tmp_path / "weights")}
    return IndexPlan("job-1", 1, {"phash": {}, "color": {}, "local": {}, "fake_model": model}, 10**8, "replace")


@pytest.fixture
def shards(tmp_path: Path, plan: IndexPlan) -> Iterator[tuple[Writer, Writer]]:
    """One for the stages, one for the worker."""
    specs = [profile.spec for profile in extractor_profiles(plan.extractors).values() if profile.spec is not None]
    opened = [
        Shard.open(tmp_path / name, index=0, shard_count=1, features=specs, late=["fake_model"])
        for name in ("stages", "worker")
    ]
    yield Writer(opened[0]), Writer(opened[1])
    for shard in opened:
        shard.close()


def through_the_stages(
    plan: IndexPlan, writer: Writer, listed: Sequence[tuple[str | None, SourceFile]]
) -> list[FileOutcome]:
    decode = DecodeStage(plan, [GRAY], writer)
    assert writer.adopted == []
    compute = ModelStage(plan, [GRAY], model_names(plan), writer)
    sent = decode(file_table(listed))
    assert {str(kind) for kind in sent.schema.types} <= {"binary", "int32"}
    return outcomes_of(WriteStage(plan, writer)(compute(sent)))


def features_of(writer: Writer, image_id: str) -> dict[str, list[bytes]]:
    found = writer.shard.features(image_id, list(FEATURES))
    assert found is not None
    return {
        name: [rows.rows.tobytes(), *(array.tobytes() for _, array in sorted(rows.extras.items()))]
        for name, rows in found.items()
    }


def test_files_leave_the_same_rows_as_the_worker_gives_bit_for_bit(
    plan: IndexPlan, shards: tuple[Writer, Writer], tmp_path: Path
) -> None:
    listed = files(tmp_path / "in", {f"{seed}.jpg": photo(seed) for seed in range(5)})
    staged, whole = shards
    assert by_name(through_the_stages(plan, staged, listed)) == dict.fromkeys((f"{i}.jpg" for i in range(5)), "created")
    IndexWorker(plan, whole).index(listed)
    for image_id, _ in listed:
        assert image_id is not None
        [one], [other] = staged.shard.records([image_id]), whole.shard.records([image_id])
        assert one is not None
        assert other is not None
        assert one == replace(other, added_at=one.added_at)
        assert set(one.features.values()) == {"ok"}
        assert features_of(staged, image_id) == features_of(whole, image_id)
        assert staged.shard.thumbnail(image_id) == whole.shard.thumbnail(image_id)
    assert staged.adopted == ["fake_model"]
    assert staged.shard.verify().problems == ()


def test_bad_files_are_outcomes_with_their_reason_and_stop_no_good_one(
    plan: IndexPlan, shards: tuple[Writer, Writer], tmp_path: Path
) -> None:
    listed = files(tmp_path / "in", {"text.jpg": b"no picture", "a.jpg": photo(1), "cut.jpg": photo(2)[:300]})
    listed.append(("gone.jpg", SourceFile(str(tmp_path / "in" / "gone.jpg"), 1, 1)))
    outcomes = through_the_stages(plan, shards[0], listed)
    assert by_name(outcomes) == {"a.jpg": "created", "text.jpg": "failed", "cut.jpg": "failed", "gone.jpg": "failed"}
    assert {outcome.code for outcome in outcomes} == {"", "unsupported_image", "unreadable_image", "unreadable_file"}
    assert by_name(through_the_stages(plan, shards[1], listed[:1])) == {"text.jpg": "failed"}


def test_a_model_that_fails_for_one_picture_leaves_only_its_feature_pending(
    plan: IndexPlan, shards: tuple[Writer, Writer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    records = [record for record in shards[0].shard.records([f"{seed}.jpg" for seed in range(3)]) if record is not None]
    assert [record.features["fake_model"] for record in records] == ["ok", "pending", "ok"]
    assert {record.features[name] for record in records for name in ("phash", "color", "local")} == {"ok"}


def test_a_model_that_is_not_loaded_leaves_its_feature_pending(
    plan: IndexPlan, shards: tuple[Writer, Writer], tmp_path: Path
) -> None:
    listed = files(tmp_path / "in", {"a.jpg": photo(1)})
    decoded = DecodeStage(plan, [], shards[0])(file_table(listed))
    assert by_name(outcomes_of(WriteStage(plan, shards[0])(decoded))) == {"a.jpg": "created"}
    [record] = shards[0].shard.records(["a.jpg"])
    assert record is not None
    assert record.features == {"phash": "ok", "color": "ok", "local": "ok", "fake_model": "pending"}


def test_copies_in_a_block_are_one_picture_where_ids_come_from_contents(
    plan: IndexPlan, shards: tuple[Writer, Writer], tmp_path: Path
) -> None:
    listed = [(None, source) for _, source in files(tmp_path / "in", {"a.jpg": photo(1), "b.jpg": photo(1)})]
    outcomes = through_the_stages(plan, shards[0], listed)
    assert sorted(outcome.outcome for outcome in outcomes) == ["created", "unchanged"]
    assert shards[0].shard.stats().images == 1


def test_models_and_tags_by_labels_are_for_the_gpu(plan: IndexPlan) -> None:
    annotators = {"tags": {"labels": "default", "store": True}, "caption": {"model": "x"}}
    extractors = {**plan.extractors, "image_text": {"model": "x"}}
    found = model_names(replace(plan, extractors=extractors, annotators=annotators))
    assert found == {"fake_model", "image_text", "tags", "caption"}


def test_files_come_back_from_their_columns_with_names_that_are_no_text() -> None:
    listed = [("ünï/1", SourceFile("/p/\udcff.jpg", 2**40, 2**62)), (None, SourceFile("/b", 0, -1))]
    assert files_of(file_table(listed)) == listed


def test_pictures_forms_and_outcomes_come_back_from_their_columns(plan: IndexPlan) -> None:
    rng = np.random.default_rng(1)
    forms = {GRAY: rng.integers(0, 256, (8, 8), np.uint8), FULL: rng.integers(0, 256, (5, 7, 3), np.uint8)}
    facts = PictureFacts(7, 5, "png", "ab" * 32, 99, b"\0thumbnail\0")
    rows = FeatureRows(rng.standard_normal((2, 4)).astype(np.float32), extras={"xy": np.arange(4)}, fingerprint="f-1")
    picture = ReadPicture("id\0", SourceFile("/p/\udcff.png", 99, 5), facts, forms, {"phash": rows}, {"caption": "a"})
    bad = FileOutcome("/p/\udcfe", "failed", "unreadable_file", "it is \udcff")
    sent = read_table([bad, picture], [FULL, GRAY], plan)
    nothing, found = forms_of(sent, [FULL, GRAY])
    assert nothing is None
    assert found is not None
    assert found.path == picture.path
    assert {want: form.tolist() for want, form in found.forms.items()} == {
        want: form.tolist() for want, form in forms.items()
    }
    found.features["fake_model"] = rows
    found.annotations["tags"] = [{"label": "a", "score": np.float64(0.1)}]
    outcome, back = read_of(computed_table(sent, [None, found]))
    assert outcome == bad
    assert isinstance(back, ReadPicture)
    assert (back.image_id, back.source, back.facts, back.forms) == ("id\0", picture.source, facts, {})
    assert back.annotations == {"caption": "a", "tags": [{"label": "a", "score": 0.1}]}
    for name in ("phash", "fake_model"):
        assert back.features[name].rows.tobytes() == rows.rows.tobytes()
        assert back.features[name].extras["xy"].tolist() == [0, 1, 2, 3]
        assert back.features[name].fingerprint == "f-1"
    assert outcomes_of(outcome_table([bad])) == [bad]


def test_blocks_of_failed_files_alone_have_the_same_columns(plan: IndexPlan) -> None:
    bad = read_table([FileOutcome("/x", "failed")], [GRAY], plan)
    picture = ReadPicture(
        "a", SourceFile("/a", 1, 1), PictureFacts(1, 1, "png", "", 1), {GRAY: np.zeros((8, 8), np.uint8)}, {}
    )
    assert bad.schema == read_table([picture], [GRAY], plan).schema
    assert pa.concat_tables([bad, bad]).num_rows == 2


@pytest.mark.parametrize(
    ("files_in_all", "cores", "side", "expected"),
    [
        (10**6, 16, 224, BATCH_FILES),
        (10**6, 16, 768, BLOCK_BYTES // (3 * 768 * 768)),  # Florence
        (500, 16, 224, 16),  # every core has two
        (10, 16, 224, FEWEST_FILES),
        (10**6, 16, 10**5, 1),
    ],
)
def test_blocks_are_as_large_as_memory_and_cores_allow(
    files_in_all: int, cores: float, side: int, expected: int
) -> None:
    assert files_a_block(files_in_all, cores, [ImageInput("rgb", (side, side))]) == expected


def test_forms_of_no_size_count_as_the_largest_working_image() -> None:
    assert form_bytes([FULL, GRAY]) == 3 * 1024 * 1024 + 64

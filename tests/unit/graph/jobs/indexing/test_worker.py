"""The worker of an indexing job, over a real shard: every file has one outcome; a fault loses and repeats nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from deployments.extractors.phash import Phash
from deployments.extractors.profile import extractor_profiles
from graph.jobs.indexing.plan import IndexPlan
from graph.jobs.indexing.worker import IndexWorker
from graph.jobs.running.fleet_shards import CALL_TIMEOUT_S, Results, ShardCalls
from graph.jobs.running.job import Stopped
from graph.jobs.running.progress import FileOutcome
from storage.errors import ShardUnavailable
from storage.operations.features import Features
from storage.operations.models import AdoptModel
from storage.operations.pictures import Page, Records
from storage.operations.reports import Stats, Verify
from storage.shard.operation import Operation
from storage.shard.shard import Shard
from storage.types.features import FeatureSpec
from storage.types.mutations import Mutation, OnConflict
from storage.types.pictures import SourceFile
from tests.unit.graph.local_catalog import photo
from tests.unit.storage.samples import inside, open_shard, waiting

EXTRACTORS: Mapping[str, Mapping[str, Any]] = {"phash": {}, "color": {}}
Answer = TypeVar("Answer")


class OneShard(ShardCalls):
    """A shard whose answer is lost as often as told, after the write went through."""

    def __init__(self, shard: Shard) -> None:
        self.count = 1
        self.shard = shard
        self.lost_answers = 0
        self.adopted: list[str] = []

    def adopt(self, spec: FeatureSpec, origin: Mapping[str, Any], *, replaces_empty: bool = False) -> None:
        self.adopted.append(spec.name)
        self.shard.ask(AdoptModel(spec, origin))

    def apply(self, shard: int, mutations: Sequence[Mutation]) -> Results:
        results = self.shard.apply(mutations)
        if self.lost_answers:
            self.lost_answers -= 1
            raise ShardUnavailable("restarting")
        return results

    def ask(self, shard: int, operation: Operation[Answer], *, timeout_s: float = CALL_TIMEOUT_S) -> Answer:
        return self.shard.ask(operation)


def known_specs(extractors: Mapping[str, Mapping[str, Any]]) -> list[FeatureSpec]:
    """Of the extractors that need no model to say it."""
    return [profile.spec for profile in extractor_profiles(extractors).values() if profile.spec is not None]


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[OneShard]:
    specs = known_specs(EXTRACTORS)
    shard = open_shard(tmp_path / "shard", specs)
    yield OneShard(shard)
    shard.close()


def worker(
    writer: OneShard, extractors: Mapping[str, Mapping[str, Any]] = EXTRACTORS, on_conflict: OnConflict = "replace"
) -> IndexWorker:
    plan = IndexPlan("job-1", 1, extractors, 10**8, on_conflict)
    return IndexWorker(plan, writer, threads=2)


def files(folder: Path, pictures: Mapping[str, bytes]) -> list[tuple[str | None, SourceFile]]:
    folder.mkdir(exist_ok=True)
    listed: list[tuple[str | None, SourceFile]] = []
    for name, data in pictures.items():
        (folder / name).write_bytes(data)
        status = (folder / name).stat()
        listed.append((name, SourceFile(str(folder / name), status.st_size, status.st_mtime_ns)))
    return listed


def by_name(outcomes: Sequence[FileOutcome]) -> dict[str, str]:
    return {Path(outcome.path).name: outcome.outcome for outcome in outcomes}


def test_good_files_are_stored_and_bad_ones_are_outcomes_with_their_reason(writer: OneShard, tmp_path: Path) -> None:
    listed = files(tmp_path / "in", {"a.jpg": photo(1), "text.jpg": b"no picture", "cut.jpg": photo(2)[:300]})
    listed.append(("gone.jpg", SourceFile(str(tmp_path / "in" / "gone.jpg"), 1, 1)))
    outcomes = worker(writer).index(listed)
    assert by_name(outcomes) == {"a.jpg": "created", "text.jpg": "failed", "cut.jpg": "failed", "gone.jpg": "failed"}
    reasons = {Path(outcome.path).name: (outcome.code, outcome.reason) for outcome in outcomes}
    assert reasons["text.jpg"][0] == "unsupported_image"
    assert reasons["cut.jpg"][0] == "unreadable_image"
    assert reasons["gone.jpg"] == ("unreadable_file", "No such file or directory")
    [record] = writer.shard.ask(Records(("a.jpg",)))
    assert record is not None
    assert record.features == {"phash": "ok", "color": "ok"}
    assert record.source is not None
    assert record.source.path.endswith("a.jpg")
    assert writer.shard.ask(Verify()).problems == ()


def test_batches_come_back_in_order_each_with_its_own_outcomes(writer: OneShard, tmp_path: Path) -> None:
    listed = files(tmp_path / "in", {f"{number}.jpg": photo(number) for number in range(12)})
    batches = [listed[first : first + 2] for first in range(0, 12, 2)]
    with worker(writer) as one:
        found = [set(by_name(outcomes)) for outcomes in one.index_each(batches)]
    assert found == [{Path(source.path).name for _, source in batch} for batch in batches]
    assert writer.shard.ask(Stats()).images == 12


def test_a_caller_that_stops_early_has_written_what_it_was_given_and_no_more(writer: OneShard, tmp_path: Path) -> None:
    listed = files(tmp_path / "in", {f"{number}.jpg": photo(number) for number in range(12)})
    with worker(writer) as one:
        for outcomes in one.index_each([listed[:2], listed[2:4], listed[4:]]):
            assert by_name(outcomes) == {"0.jpg": "created", "1.jpg": "created"}
            break
    assert [record.id for record in writer.shard.ask(Page(None, 100))] == ["0.jpg", "1.jpg"]


def test_a_write_whose_answer_was_lost_is_repeated_and_done_once(
    writer: OneShard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph.jobs.running.fleet_shards.RETRY_PAUSE_S", 0.0)
    writer.lost_answers = 2
    outcomes = worker(writer).index(files(tmp_path / "in", {"a.jpg": photo(1), "b.jpg": photo(2)}))
    assert by_name(outcomes) == {"a.jpg": "created", "b.jpg": "created"}
    assert writer.shard.ask(Stats()).images == 2
    assert inside(writer.shard).moment.sequence == 1


def test_a_file_that_changes_back_and_forth_is_replaced_each_time(writer: OneShard, tmp_path: Path) -> None:
    one = worker(writer)
    for number, picture in enumerate((photo(1), photo(2), photo(1))):
        [(image_id, source)] = files(tmp_path / "in", {"a.jpg": picture})
        source = SourceFile(source.path, source.size, number)  # a time of its own, whatever the clock says
        [outcome] = one.index([(image_id, source)])
        assert outcome.outcome == ("created" if number == 0 else "replaced")


def test_a_taken_id_is_skipped_when_the_job_says_so(writer: OneShard, tmp_path: Path) -> None:
    worker(writer).index(files(tmp_path / "in", {"a.jpg": photo(1)}))
    again = IndexWorker(IndexPlan("job-2", 1, EXTRACTORS, 10**8, "skip"), writer)
    assert by_name(again.index(files(tmp_path / "in", {"a.jpg": photo(2)}))) == {"a.jpg": "skipped"}


def test_ids_from_contents_make_equal_files_one_picture(writer: OneShard, tmp_path: Path) -> None:
    listed = [(None, source) for _, source in files(tmp_path / "in", {"a.jpg": photo(1)})]
    copy = [(None, source) for _, source in files(tmp_path / "in", {"b.jpg": photo(1)})]
    assert by_name(worker(writer).index(listed)) == {"a.jpg": "created"}
    assert by_name(worker(writer).index(copy)) == {"b.jpg": "unchanged"}
    assert writer.shard.ask(Stats()).images == 1


def test_copies_that_are_read_at_the_same_time_are_one_picture(writer: OneShard, tmp_path: Path) -> None:
    listed = files(tmp_path / "in", {f"{number}.jpg": photo(1) for number in range(9)})
    with worker(writer) as one:
        [*batches] = one.index_each([[(None, source)] for _, source in listed])
    assert sorted(outcome.outcome for outcomes in batches for outcome in outcomes) == ["created", *["unchanged"] * 8]


def test_a_job_that_is_told_to_stop_stops_in_the_middle_of_an_extraction(
    writer: OneShard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*images: object) -> None:
        raise Stopped

    one = worker(writer)
    monkeypatch.setattr(Phash, "extract", stop)
    with pytest.raises(Stopped):
        one.index(files(tmp_path / "in", {"a.jpg": photo(1)}))
    assert writer.shard.ask(Stats()).images == 0


def test_an_extractor_that_fails_leaves_its_feature_pending(tmp_path: Path) -> None:
    extractors: Mapping[str, Mapping[str, Any]] = {"phash": {}, "fake": {"fails": "extract"}}
    specs = known_specs(extractors)
    shard = open_shard(tmp_path / "shard", specs)
    outcomes = worker(OneShard(shard), extractors).index(files(tmp_path / "in", {"a.jpg": photo(1)}))
    assert by_name(outcomes) == {"a.jpg": "created"}
    [record] = shard.ask(Records(("a.jpg",)))
    assert record is not None
    assert record.features == {"phash": "ok", "fake": "pending"}
    [picture] = waiting(shard, 10)
    assert picture.source is not None
    shard.close()


def test_a_batch_gives_the_same_features_as_one_by_one(tmp_path: Path) -> None:
    specs = known_specs(EXTRACTORS)
    pictures = {f"{seed}.jpg": photo(seed) for seed in range(5)}
    shards = [open_shard(tmp_path / name, specs) for name in ("batch", "single")]
    listed = files(tmp_path / "in", pictures)
    worker(OneShard(shards[0])).index(listed)
    for one in listed:
        worker(OneShard(shards[1])).index([one])
    for name in pictures:
        batch, single = (shard.ask(Features(name, ("phash", "color"))) for shard in shards)
        assert batch is not None
        assert single is not None
        for feature in ("phash", "color"):
            assert batch[feature].rows.tobytes() == single[feature].rows.tobytes()
    for shard in shards:
        shard.close()

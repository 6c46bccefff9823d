"""When an index that was built for another model takes over, and when it must not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from deployments.extractors.registry import create_extractor
from graph.jobs.filling.take_over import TakeOver
from storage.errors import InvalidRequest
from storage.index.whitening import train_whitening
from storage.operations.features import SampleRows
from storage.operations.indexes import Whiten
from storage.operations.models import SwitchModel
from storage.operations.reports import Verify
from storage.shard.operation import Operation
from tests.unit.graph.jobs.model_collection import Collection, killed

PICTURES = range(40)


@pytest.mark.parametrize("lost", [[1, 2], [2]])
def test_an_index_that_lacks_pictures_does_not_take_over(collection: Collection, lost: Sequence[int]) -> None:
    collection.move_on("two", 1, 2)
    for seed in lost:
        (collection.folder / f"{seed}.jpg").unlink()
    with pytest.raises(InvalidRequest, match=f"lacks {len(lost)} of the 2 images") as refused:
        collection.backfill()
    assert "allow_missing" in str(refused.value)
    assert ("one", "in_use") in collection.versions()
    collection.weights.write_text("one")
    assert collection.found(2) == "photo-2"


def test_pictures_that_the_new_model_has_more_make_up_for_none_that_is_lost(collection: Collection) -> None:
    collection.move_on("two", 1, 2)
    collection.add(3, 4, 5)
    (collection.folder / "2.jpg").unlink()
    with pytest.raises(InvalidRequest, match="lacks 1 of the 2 images"):
        collection.backfill()


def test_it_takes_over_when_the_file_is_back_or_its_loss_accepted(collection: Collection) -> None:
    collection.move_on("two", 1, 2)
    there = (collection.folder / "2.jpg").read_bytes()
    (collection.folder / "2.jpg").unlink()
    with pytest.raises(InvalidRequest):
        collection.backfill()
    (collection.folder / "2.jpg").write_bytes(there)
    collection.backfill()
    assert collection.versions() == [("two", "in_use")] * 2
    assert collection.found(2) == "photo-2"
    (collection.folder / "2.jpg").unlink()
    collection.weights.write_text("one")
    collection.backfill(allow_missing=True)
    assert collection.versions() == [("one", "in_use")] * 2
    assert collection.record(2).features == {"phash": "ok", "fake_model": "pending"}


def test_a_picture_that_is_added_meanwhile_keeps_nothing_back(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection.move_on("two", 1)
    run = TakeOver.run

    def late(self: TakeOver, following: Sequence[str]) -> None:
        collection.weights.write_text("one")
        collection.add(2, seen=True)
        collection.weights.write_text("two")
        run(self, following)

    monkeypatch.setattr(TakeOver, "run", late)
    collection.backfill()
    assert set(collection.versions()) == {("two", "in_use")}


def test_what_a_job_that_was_killed_left_behind_is_dropped_by_the_next(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection.move_on("two", 1, 2)
    with monkeypatch.context() as patched:
        patched.setattr(TakeOver, "_drop_replaced", killed)
        with pytest.raises(KeyboardInterrupt):
            collection.backfill()
    assert ("one", "replaced") in collection.versions()
    collection.backfill()
    assert collection.versions() == [("two", "in_use")] * 2


def test_a_job_that_another_was_quicker_than_succeeds(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    collection.move_on("two", 1, 2)
    run = TakeOver.run

    def after_another(self: TakeOver, following: Sequence[str]) -> None:
        run(self, following)
        run(self, following)

    monkeypatch.setattr(TakeOver, "run", after_another)
    collection.backfill()
    assert collection.versions() == [("two", "in_use")] * 2


def test_a_takeover_that_was_cut_off_between_two_shards_goes_on(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection.move_on("two", 1, 2)
    ask = collection.fleet.ask

    def killed_at_second(shard: int, operation: Operation[object], **options: float) -> object:
        if shard == 1 and isinstance(operation, SwitchModel):
            raise KeyboardInterrupt
        return ask(shard, operation, **options)

    with monkeypatch.context() as patched:
        patched.setattr(collection.fleet, "ask", killed_at_second)
        with pytest.raises(KeyboardInterrupt):
            collection.backfill()
    assert {("two", "in_use"), ("two", "following")} <= set(collection.versions())
    collection.backfill()
    assert collection.versions() == [("two", "in_use")] * 2


def test_where_the_old_index_was_whitened_the_new_one_is_before_it_takes_over(collection: Collection) -> None:
    collection.move_on("one", *PICTURES)
    model = create_extractor("fake_model", {"weights": str(collection.weights)}).spec.fingerprint
    rows = collection.fleet.ask_each(SampleRows("fake_model", model, 99))
    collection.fleet.ask_each(Whiten("fake_model", model, train_whitening(np.concatenate(rows))))
    (before,) = set(collection.whitenings())
    collection.weights.write_text("two")
    collection.backfill()
    (after,) = set(collection.whitenings())
    assert 0 not in (before, after)
    assert before != after
    assert collection.found(7) == "photo-7"
    assert all(not collection.fleet.ask(shard, Verify()).problems for shard in range(2))


def test_a_plain_index_is_followed_by_a_plain_one(collection: Collection) -> None:
    collection.move_on("two", *PICTURES)
    collection.backfill()
    assert set(collection.whitenings()) == {0}

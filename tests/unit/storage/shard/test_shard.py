"""What a shard keeps: puts, deletes, replaces and late features, each whole, each once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from storage.errors import InvalidField, InvalidRequest, StorageFailure, UnknownFeature
from storage.operations.features import Features, RowsOfEach
from storage.operations.indexes import SaveIndexes
from storage.operations.pending import PendingPictures
from storage.operations.pictures import Original, Page, Records, Thumbnail
from storage.operations.reports import Backup, Stats, Verify
from storage.shard.placement import shard_of
from storage.shard.shard import Shard
from storage.types.features import FeatureRows, FeatureSpec
from storage.types.mutations import MutationResult, PutImage
from tests.unit.storage.samples import (
    COLOR,
    applied,
    delete,
    fill,
    find,
    found_ids,
    inside,
    open_shard,
    outcomes,
    picture_rows,
    put,
    record,
    waiting,
)

Reopen = Callable[..., Shard]


def assert_clean(shard: Shard) -> None:
    assert shard.ask(Verify()).problems == ()


class TestPut:
    def test_a_put_picture_is_stored_whole_and_found(self, shard: Shard) -> None:
        mutation = put("a")
        (result,) = applied(shard, [mutation])
        assert (result.outcome, result.record) == ("created", mutation.record)
        assert shard.ask(Records(("a", "b"))) == [mutation.record, None]
        assert (shard.ask(Thumbnail("a")), shard.ask(Thumbnail("b"))) == (mutation.thumbnail, None)
        assert found_ids(shard, "a") == found_ids(shard, "a", "color") == ["a"]
        assert_clean(shard)

    def test_its_features_come_back_as_they_were(self, shard: Shard) -> None:
        applied(shard, [put("a")])
        features = shard.ask(Features("a", ("phash", "unheard of")))
        assert features is not None
        assert list(features) == ["phash"]
        np.testing.assert_array_equal(features["phash"].rows, picture_rows("a")["phash"].rows)
        query_rows = features["phash"].query_rows
        assert query_rows is not None
        np.testing.assert_array_equal(query_rows, picture_rows("a")["phash"].query_rows)
        assert shard.ask(Features("b", ("phash",))) is None

    def test_the_rows_of_many_come_at_once(self, shard: Shard) -> None:
        applied(shard, [put("a"), put("b")])
        a, missing, b = shard.ask(RowsOfEach(("a", "c", "b"), ("phash", "color")))
        assert missing is None
        for image_id, rows in (("a", a), ("b", b)):
            assert rows is not None
            assert set(rows) == {"phash", "color"}
            np.testing.assert_array_equal(rows["color"], picture_rows(image_id)["color"].rows)

    def test_a_taken_id_is_a_conflict_unless_told_otherwise(self, shard: Shard) -> None:
        first = put("a")
        applied(shard, [first])
        results = applied(shard, [put("a", seed="new"), put("a", seed="newer", on_conflict="skip")])
        assert outcomes(results) == ["conflict", "skipped"]
        assert [result.record for result in results] == [first.record, first.record]
        assert found_ids(shard, "a") == ["a"]
        assert_clean(shard)

    def test_replacing_leaves_nothing_of_the_old_picture(self, shard: Shard) -> None:
        applied(shard, [put("a", pending=["color"], original=b"bytes")])
        (result,) = applied(shard, [put("a", seed="new", on_conflict="replace")])
        assert result.outcome == "replaced"
        assert (found_ids(shard, "a"), found_ids(shard, "new")) == ([], ["a"])
        assert shard.ask(Thumbnail("a")) == b"thumbnail of new"
        assert (shard.ask(Original("a")), waiting(shard, 9)) == (None, [])
        assert shard.ask(Stats()).images == 1
        assert_clean(shard)

    def test_a_batch_sees_its_own_earlier_mutations(self, shard: Shard) -> None:
        results = applied(
            shard,
            [put("a"), put("a", seed="2"), put("a", seed="3", on_conflict="replace"), delete("a"), put("a", seed="4")],
        )
        assert outcomes(results) == ["created", "conflict", "replaced", "deleted", "created"]
        assert found_ids(shard, "4") == ["a"]
        assert [found_ids(shard, seed) for seed in ("a", "2", "3")] == [[], [], []]
        assert_clean(shard)

    @pytest.mark.parametrize("image_id", ["x" * 256, "語" * 256, "a/b c/../d.jpg", " ", "😀"])
    def test_any_id_works(self, shard: Shard, image_id: str) -> None:
        applied(shard, [put(image_id), put(image_id[:-1] + "y")])
        assert found_ids(shard, image_id) == [image_id]
        assert applied(shard, [delete(image_id)])[0].outcome == "deleted"
        assert [row.id for row in shard.ask(Page(None, 9))] == [image_id[:-1] + "y"]
        assert_clean(shard)


class TestDelete:
    def test_a_deleted_picture_is_gone_everywhere(self, shard: Shard) -> None:
        applied(shard, [put("a"), put("b", pending=["color"], original=b"bytes")])
        assert outcomes(applied(shard, [delete("a"), delete("b"), delete("c")])) == ["deleted", "deleted", "absent"]
        assert shard.ask(Records(("a", "b"))) == [None, None]
        assert (shard.ask(Thumbnail("a")), shard.ask(Original("b")), waiting(shard, 9)) == (None, None, [])
        assert (found_ids(shard, "a"), found_ids(shard, "b")) == ([], [])
        assert shard.ask(Stats()).images == 0
        assert_clean(shard)

    def test_an_id_can_be_used_again(self, shard: Shard) -> None:
        applied(shard, [put("a"), delete("a")])
        assert applied(shard, [put("a", operation="again")])[0].outcome == "created"
        assert found_ids(shard, "a") == ["a"]


class TestOperations:
    def test_a_repeated_operation_gives_its_first_outcome_and_changes_nothing(self, shard: Shard) -> None:
        mutation = put("a")
        first = applied(shard, [mutation])
        sequence = inside(shard).moment.sequence
        assert applied(shard, [mutation]) == first
        applied(shard, [delete("a")])
        assert applied(shard, [mutation]) == first
        assert shard.ask(Records(("a",))) == [None]
        assert inside(shard).moment.sequence == sequence + 1

    def test_it_is_known_within_the_batch_and_after_reopening(self, shard: Shard, reopen: Reopen) -> None:
        assert outcomes(applied(shard, [put("a"), put("a"), delete("a"), put("a")])) == [
            "created",
            "created",
            "deleted",
            "created",
        ]
        assert applied(reopen(), [put("a")])[0].outcome == "created"
        assert reopen().ask(Records(("a",))) == [None]


class TestLateFeatures:
    def test_a_pending_feature_is_recorded_with_the_original(self, shard: Shard) -> None:
        applied(shard, [put("a", pending=["color"], original=b"bytes"), put("b")])
        (pending,) = waiting(shard, 9)
        assert (pending.id, pending.features, pending.source) == ("a", ("color",), None)
        assert shard.ask(Original("a")) == b"bytes"
        assert shard.ask(Stats()).features["color"].pending == 1
        assert (found_ids(shard, "a"), found_ids(shard, "a", "color")) == (["a"], [])
        assert_clean(shard)

    def test_filling_makes_it_searchable_and_drops_the_original(self, shard: Shard) -> None:
        applied(shard, [put("a", pending=["color", "phash"], original=b"bytes")])
        assert applied(shard, [fill("a", ["color"], operation="1")])[0].outcome == "filled"
        assert shard.ask(Original("a")) == b"bytes"
        (result,) = applied(shard, [fill("a", ["phash", "color"], operation="2")])
        assert result.record is not None
        assert result.record.features == {"color": "ok", "phash": "ok"}
        assert (shard.ask(Original("a")), waiting(shard, 9)) == (None, [])
        assert found_ids(shard, "a") == found_ids(shard, "a", "color") == ["a"]
        assert_clean(shard)

    def test_filling_another_picture_than_the_stored_one_is_ignored(self, shard: Shard) -> None:
        applied(shard, [put("a", pending=["color"])])
        results = applied(
            shard,
            [
                fill("a", ["color"], seed="old", operation="1"),
                fill("b", ["color"], operation="2"),
                fill("a", ["phash"], operation="3"),
            ],
        )
        assert outcomes(results) == ["skipped", "absent", "skipped"]
        assert shard.ask(Stats()).features["color"].rows == 0
        assert_clean(shard)

    def test_a_picture_from_a_file_names_the_file_instead(self, shard: Shard) -> None:
        applied(shard, [put("a", pending=["color"])])
        (pending,) = waiting(shard, 9)
        assert shard.ask(Original("a")) is None
        assert pending.source is not None
        assert pending.source.path == "/photos/a"

    def test_one_without_file_and_original_waits_but_is_not_handed_out(self, shard: Shard) -> None:
        applied(shard, [put("a", pending=["color"], source=None)])
        assert waiting(shard, 9) == []
        assert shard.ask(Stats()).features["color"].pending == 1
        assert_clean(shard)

    def test_pending_pictures_come_oldest_first_and_can_be_paged(self, shard: Shard) -> None:
        applied(shard, [put(name, pending=["color"]) for name in ("c", "a", "b")])
        first = shard.ask(PendingPictures({"color": COLOR.fingerprint}, 0, 2))
        assert [image.id for image in first.images] == ["c", "a"]
        assert first.next_start is not None
        second = shard.ask(PendingPictures({"color": COLOR.fingerprint}, first.next_start, 2))
        assert ([image.id for image in second.images], second.next_start) == (["b"], None)

    def test_a_configured_feature_the_put_does_not_speak_of_is_pending(self, shard: Shard) -> None:
        mutation = put("a", pending=["color"])
        silent = replace(mutation, record=record("a", {"phash": "ok"}))
        (result,) = applied(shard, [silent])
        assert result.record is not None
        assert result.record.features == {"phash": "ok", "color": "pending"}
        assert_clean(shard)


class TestRefusals:
    def refused(self, shard: Shard, mutation: Any, error: type[Exception], message: str) -> None:
        """By itself it changes nothing; among others it has its refusal for a result, and they are made."""
        before = inside(shard).moment.sequence
        [alone] = shard.apply([mutation])
        assert inside(shard).moment.sequence == before
        first, refusal, last = shard.apply([put("good"), mutation, put("good too")])
        assert [result for result in (first, last) if isinstance(result, MutationResult)] == [first, last]
        for refused in (alone, refusal):
            with pytest.raises(error, match=message):
                raise cast(Exception, refused)
        assert [row.id for row in shard.ask(Page(None, 9))] == ["good", "good too"]
        assert (found_ids(shard, "good"), found_ids(shard, "good too")) == (["good"], ["good too"])
        assert inside(shard).moment.sequence == 1
        assert_clean(shard)

    @pytest.mark.parametrize("image_id", ["", "x" * 257, "a\nb", "\ud800"])
    def test_a_bad_id(self, shard: Shard, image_id: str) -> None:
        self.refused(shard, delete(image_id, "op"), InvalidField, "id")

    @pytest.mark.parametrize("operation", ["x" * 1025])
    def test_a_bad_operation_id(self, shard: Shard, operation: str) -> None:
        self.refused(shard, put("a", operation=operation), InvalidField, "operation")

    def with_phash(self, rows: Any, query_rows: Any = None) -> PutImage:
        mutation = put("a")
        return replace(mutation, features={**mutation.features, "phash": FeatureRows(rows, query_rows)})

    @pytest.mark.parametrize(
        "rows",
        [
            np.zeros((1, 71), np.uint8),
            np.zeros((1, 72), np.float32),
            np.zeros(72, np.uint8),
            np.zeros((0, 72), np.uint8),
            [[0] * 72],
        ],
    )
    def test_rows_of_another_shape_or_type(self, shard: Shard, rows: Any) -> None:
        self.refused(shard, self.with_phash(rows), InvalidRequest, "feature 'phash' of image 'a'")

    def test_query_rows_of_another_shape(self, shard: Shard) -> None:
        good = np.zeros((1, 72), np.uint8)
        self.refused(shard, self.with_phash(good, np.zeros((8, 9), np.uint8)), InvalidRequest, "query rows")

    def test_numbers_that_are_not_finite(self, shard: Shard) -> None:
        mutation = put("a")
        rows = np.full((1, 512), np.nan, np.float32)
        bad = replace(mutation, features={**mutation.features, "color": FeatureRows(rows)})
        self.refused(shard, bad, InvalidRequest, "finite")

    def test_a_feature_the_shard_does_not_keep(self, shard: Shard) -> None:
        mutation = put("a")
        extra = {"tags": FeatureRows(np.zeros((1, 1), np.uint8))}
        self.refused(shard, replace(mutation, features={**mutation.features, **extra}), UnknownFeature, "tags")
        self.refused(
            shard,
            replace(mutation, record=record("a", {**mutation.record.features, "tags": "pending"})),
            UnknownFeature,
            "tags",
        )

    def test_a_record_that_disagrees_with_the_rows(self, shard: Shard) -> None:
        mutation = put("a")
        self.refused(shard, replace(mutation, features={}), InvalidRequest, "phash")
        self.refused(shard, replace(mutation, record=record("a", {"phash": "ok"})), InvalidRequest, "color")

    def test_metadata_that_json_cannot_hold(self, shard: Shard) -> None:
        self.refused(shard, put("a", metadata={"x": float("nan")}), InvalidField, "JSON")

    def test_vectors_that_are_not_of_unit_length(self, reopen: Reopen) -> None:
        shard = reopen([FeatureSpec("meaning", "dense", 4, "cosine", "m-1")])
        rows = np.ones((1, 4), np.float32)
        bad = PutImage("op", record("a", {"meaning": "ok"}), {"meaning": FeatureRows(rows)}, b"")
        with pytest.raises(InvalidRequest, match="unit"):
            applied(shard, [bad])
        good = replace(bad, features={"meaning": FeatureRows(rows * np.float32(0.5))})
        assert outcomes(applied(shard, [good])) == ["created"]

    def test_an_image_of_another_shard(self, reopen: Reopen) -> None:
        shard = reopen(index=1, shard_count=3)
        names = {shard_of(name, 3): name for name in map(str, range(20))}
        assert applied(shard, [put(names[1])])[0].outcome == "created"
        with pytest.raises(InvalidRequest, match="belongs to shard 2"):
            applied(shard, [put(names[2])])

    def test_results_and_refusals_come_in_the_order_of_the_mutations(self, shard: Shard) -> None:
        bad = delete("", "op")
        results = shard.apply([bad, put("a"), bad, bad, put("a", seed="2"), delete("a"), bad])
        told = [result.outcome if isinstance(result, MutationResult) else type(result) for result in results]
        assert told == [InvalidField, "created", InvalidField, InvalidField, "conflict", "deleted", InvalidField]
        assert shard.apply([]) == []
        assert_clean(shard)

    def test_a_refused_operation_may_be_sent_again_put_right(self, shard: Shard) -> None:
        applied(shard, [put("b")])
        [refused] = shard.apply([delete("", "op")])
        assert isinstance(refused, InvalidField)
        assert outcomes(applied(shard, [delete("b", "op")])) == ["deleted"]


class TestReading:
    def test_pages_come_in_the_byte_order_of_ids(self, shard: Shard) -> None:
        long = "語" * 250
        names = ["b", "a", "B", "é", "a/b", "😀", "~", *(f"{long}{tail}" for tail in "dacb"), long]
        applied(shard, [put(name) for name in names])
        wanted = sorted(names, key=str.encode)
        for limit in (1, 2, 5, 50):
            seen: list[str] = []
            while page := shard.ask(Page(seen[-1] if seen else None, limit)):
                assert len(page) <= limit
                seen += [row.id for row in page]
            assert seen == wanted

    def test_a_page_may_start_behind_an_id_that_is_not_stored(self, shard: Shard) -> None:
        applied(shard, [put("a"), put("c")])
        assert [row.id for row in shard.ask(Page("b", 9))] == ["c"]

    def test_stats_count_what_is_there(self, shard: Shard) -> None:
        applied(shard, [put("a"), put("b", pending=["color"])])
        stats = shard.ask(Stats())
        assert (stats.shard, stats.images, stats.sequence) == (0, 2, 1)
        assert (stats.features["phash"].images, stats.features["phash"].rows, stats.features["phash"].pending) == (
            2,
            2,
            0,
        )
        assert (stats.features["color"].images, stats.features["color"].rows, stats.features["color"].pending) == (
            1,
            1,
            1,
        )
        assert stats.features["color"].index_kind == "exact"
        assert stats.features["color"].memory_bytes >= 512 * 4

    def test_a_closed_shard_says_so(self, shard: Shard) -> None:
        applied(shard, [put("a")])
        shard.close()
        shard.close()
        for call in (
            lambda: shard.ask(Records(("a",))),
            lambda: applied(shard, [delete("a")]),
            lambda: find(shard, "a"),
        ):
            with pytest.raises(StorageFailure, match="closed"):
                call()


def test_a_backup_opens_as_a_shard_and_holds_everything(tmp_path: Any) -> None:
    shard = open_shard(tmp_path / "shard")
    applied(shard, [put("a"), put("b", pending=["color"], original=b"bytes")])
    shard.ask(SaveIndexes())
    shard.ask(Backup(str(tmp_path / "copy")))
    applied(shard, [put("later")])
    with pytest.raises(StorageFailure, match="exists"):
        shard.ask(Backup(str(tmp_path / "copy")))
    shard.close()
    copy = open_shard(tmp_path / "copy")
    assert [row.id for row in copy.ask(Page(None, 9))] == ["a", "b"]
    assert found_ids(copy, "a") == ["a"]
    assert copy.ask(Original("b")) == b"bytes"
    assert_clean(copy)
    copy.close()

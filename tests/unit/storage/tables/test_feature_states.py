"""Single features of a picture: added to what is there, taken away, and what a restart makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from storage.errors import InvalidRequest, UnknownFeature
from storage.operations.indexes import SaveIndexes
from storage.operations.models import AdoptModel
from storage.operations.pictures import IdsOfFileName, Original, Records, Thumbnail
from storage.operations.reports import Stats, Verify
from storage.shard.shard import Shard
from storage.types.features import FeatureSpec
from storage.types.mutations import AddFeatures, RemoveFeatures
from storage.types.pictures import ImageRecord
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.models import ONE, TWO, put_seen
from tests.unit.storage.samples import (
    COLOR,
    PHASH,
    applied,
    ask,
    delete,
    find,
    found_ids,
    outcomes,
    picture_rows,
    put,
    record,
    waiting,
)

EXTRA = FeatureSpec("extra", "dense", 512, "l1", "extra-1")


def add(
    image_id: str, names: Sequence[str], *, seed: str | None = None, operation: str = "", **fields: Any
) -> AddFeatures:
    seed = seed or image_id
    rows = {name: value for name, value in picture_rows(seed).items() if name in names}
    states = {**dict.fromkeys(names, "ok"), **fields.pop("states", {})}
    values = {"metadata": {}, "source": None, **fields}
    original = values.pop("original", None)
    made = record(image_id, states, seed=seed, **values)
    return AddFeatures(
        operation or f"add {image_id} {names} {seed}", made, rows, b"thumbnail of " + seed.encode(), original
    )


def imported(image_id: str, names: Sequence[str], **fields: Any) -> AddFeatures:
    """Without a picture's file."""
    whole = add(image_id, names, **fields)
    bare = replace(whole.record, width=0, height=0, sha256="", format="", byte_size=0)
    return replace(whole, record=bare, thumbnail=b"", operation_id=f"import {image_id} {names}")


def remove(image_id: str, *names: str, operation: str = "") -> RemoveFeatures:
    return RemoveFeatures(operation or f"remove {image_id} {names}", image_id, names)


def states(shard: Shard, image_id: str) -> dict[str, str]:
    return dict(stored(shard, image_id).features)


def stored(shard: Shard, image_id: str) -> ImageRecord:
    [found] = shard.ask(Records((image_id,)))
    assert found is not None
    return found


def pending_counts(shard: Shard) -> dict[str, int]:
    return {name: one.pending for name, one in shard.ask(Stats()).features.items()}


def assert_clean(shard: Shard) -> None:
    assert shard.ask(Verify()).problems == ()


class TestAdding:
    def test_a_picture_that_is_not_stored_has_that_feature_and_no_other(self, shard: Shard) -> None:
        assert outcomes(applied(shard, [add("a", ["phash"])])) == ["created"]
        assert states(shard, "a") == {"phash": "ok", "color": "absent"}
        assert (found_ids(shard, "a"), found_ids(shard, "a", "color")) == (["a"], [])
        assert shard.ask(Thumbnail("a")) == b"thumbnail of a"
        assert waiting(shard, 10) == []
        assert_clean(shard)

    def test_the_next_feature_joins_it(self, shard: Shard) -> None:
        results = applied(shard, [add("a", ["phash"]), add("a", ["color"])])
        assert outcomes(results) == ["created", "filled"]
        assert states(shard, "a") == {"phash": "ok", "color": "ok"}
        assert found_ids(shard, "a") == found_ids(shard, "a", "color") == ["a"]
        assert_clean(shard)

    def test_a_pending_feature_is_filled(self, shard: Shard) -> None:
        applied(shard, [put("a", pending=["color"], original=b"bytes")])
        assert outcomes(applied(shard, [add("a", ["color"])])) == ["filled"]
        assert states(shard, "a") == {"phash": "ok", "color": "ok"}
        assert (waiting(shard, 10), shard.ask(Original("a"))) == ([], None)
        assert_clean(shard)

    def test_one_that_is_there_already_changes_nothing(self, shard: Shard) -> None:
        applied(shard, [add("a", ["phash"])])
        results = applied(shard, [add("a", ["phash", "color"], operation="again")])
        assert outcomes(results) == ["conflict"]
        assert states(shard, "a") == {"phash": "ok", "color": "absent"}
        assert_clean(shard)

    def test_another_picture_under_the_same_id_changes_nothing(self, shard: Shard) -> None:
        applied(shard, [add("a", ["phash"])])
        assert outcomes(applied(shard, [add("a", ["color"], seed="other")])) == ["conflict"]
        assert states(shard, "a")["color"] == "absent"

    def test_a_repeated_operation_gives_its_first_outcome(self, shard: Shard) -> None:
        assert outcomes(applied(shard, [add("a", ["phash"])])) == ["created"]
        assert outcomes(applied(shard, [add("a", ["phash"])])) == ["created"]
        assert [hit.id for hit in find(shard, "a")] == ["a"]

    def test_metadata_is_merged_and_shown_by_searches(self, shard: Shard) -> None:
        applied(shard, [add("a", ["phash"], metadata={"title": "one", "kept": 1})])
        found_ids(shard, "a")  # its summary is known from here on
        applied(shard, [add("a", ["color"], metadata={"title": "two"})])
        assert stored(shard, "a").metadata == {"title": "two", "kept": 1}
        [answer] = shard.search([ask("phash", picture_rows("a")["phash"].rows)])
        assert answer.summaries["a"].metadata == {"title": "two", "kept": 1}
        assert_clean(shard)

    def test_a_feature_that_is_not_kept_here_is_refused(self, shard: Shard) -> None:
        mutation = add("a", ["phash"], states={"shape": "pending"})
        with pytest.raises(UnknownFeature):
            applied(shard, [mutation])

    def test_rows_of_the_wrong_length_are_refused(self, shard: Shard) -> None:
        mutation = add("a", ["phash"])
        rows = replace(mutation.features["phash"], rows=mutation.features["phash"].rows[:, :71])
        with pytest.raises(InvalidRequest):
            applied(shard, [replace(mutation, features={"phash": rows})])

    def test_rows_that_have_no_place_here_are_said_to_be_skipped(self, reopen: Reopen) -> None:
        shard = reopen(late=["global"])
        shard.ask(AdoptModel(ONE, {}))
        mutation = put_seen("x", TWO)
        single = replace(mutation.record, features={"global": "ok"}, source=None)
        added = AddFeatures("op", single, {"global": mutation.features["global"]}, b"")
        assert outcomes(applied(shard, [added])) == ["skipped"]
        assert shard.ask(Records(("x",))) == [None]
        assert_clean(shard)

    def test_a_model_that_is_not_known_yet_is_not_awaited_for_what_is_absent(self, reopen: Reopen) -> None:
        shard = reopen(late=["global"])
        applied(shard, [add("a", ["phash"]), put("b")])
        assert pending_counts(shard)["global"] == 1
        shard.ask(AdoptModel(ONE, {}))
        assert pending_counts(shard)["global"] == 1
        assert_clean(shard)


class TestImported:
    def test_a_picture_without_a_file_is_found_by_its_features(self, shard: Shard) -> None:
        applied(shard, [imported("7", ["phash"], metadata={"file_name": "7.jpg"})])
        assert found_ids(shard, "7") == ["7"]
        assert (stored(shard, "7").width, stored(shard, "7").sha256) == (0, "")
        assert waiting(shard, 10) == []
        assert_clean(shard)

    def test_its_file_may_come_later_and_bring_what_is_missing(self, shard: Shard) -> None:
        applied(shard, [imported("7", ["phash"], metadata={"file_name": "7.jpg"})])
        found_ids(shard, "7")
        later = add("7", [], states={"color": "pending"}, original=b"bytes", operation="with file")
        assert outcomes(applied(shard, [later])) == ["filled"]
        found = stored(shard, "7")
        assert (found.width, found.sha256, found.metadata) == (640, later.record.sha256, {"file_name": "7.jpg"})
        assert states(shard, "7") == {"phash": "ok", "color": "pending"}
        assert shard.ask(Thumbnail("7")) == b"thumbnail of 7"
        [pending] = waiting(shard, 10)
        assert (pending.id, pending.features, shard.ask(Original("7"))) == ("7", ("color",), b"bytes")
        assert found_ids(shard, "7") == ["7"]
        assert shard.ask(IdsOfFileName("7.jpg")) == ["7"]
        assert_clean(shard)

    def test_features_without_a_file_join_a_picture_that_has_one(self, shard: Shard) -> None:
        applied(shard, [add("7", ["phash"])])
        assert outcomes(applied(shard, [imported("7", ["color"])])) == ["filled"]
        assert stored(shard, "7").width == 640
        assert shard.ask(Thumbnail("7")) == b"thumbnail of 7"


class TestRemoving:
    def test_the_others_stay(self, shard: Shard) -> None:
        applied(shard, [put("a"), put("b")])
        assert outcomes(applied(shard, [remove("a", "phash")])) == ["deleted"]
        assert states(shard, "a") == {"phash": "absent", "color": "ok"}
        assert (found_ids(shard, "a"), found_ids(shard, "a", "color")) == ([], ["a"])
        assert shard.ask(Thumbnail("a")) == b"thumbnail of a"
        assert_clean(shard)

    def test_it_may_come_back(self, shard: Shard) -> None:
        applied(shard, [put("a"), remove("a", "phash"), add("a", ["phash"], operation="back")])
        assert find(shard, "a")[0].distance == 0
        assert states(shard, "a") == {"phash": "ok", "color": "ok"}
        assert_clean(shard)

    def test_with_the_last_one_goes_the_picture(self, shard: Shard) -> None:
        applied(shard, [put("a"), remove("a", "phash"), remove("a", "color")])
        assert shard.ask(Records(("a",))) == [None]
        assert_clean(shard)

    def test_what_is_not_there_is_said_to_be_absent(self, shard: Shard) -> None:
        applied(shard, [add("a", ["phash"])])
        assert outcomes(applied(shard, [remove("a", "color"), remove("b", "phash")])) == ["absent", "absent"]
        assert states(shard, "a") == {"phash": "ok", "color": "absent"}

    def test_an_unknown_feature_is_refused(self, shard: Shard) -> None:
        with pytest.raises(UnknownFeature):
            applied(shard, [remove("a", "shape")])

    def test_a_pending_one_is_not_waited_for_any_more(self, shard: Shard) -> None:
        applied(shard, [put("a", pending=["color"], original=b"bytes"), remove("a", "color")])
        assert states(shard, "a") == {"phash": "ok", "color": "absent"}
        assert (waiting(shard, 10), shard.ask(Original("a"))) == ([], None)


class TestRestart:
    def test_indexes_and_rows_agree(self, reopen: Reopen) -> None:
        shard = reopen()
        applied(
            shard, [put("a"), add("b", ["phash"]), remove("a", "color"), add("b", ["color"]), put("c"), delete("c")]
        )
        shard.ask(SaveIndexes())
        applied(shard, [remove("b", "phash"), add("a", ["color"], operation="back")])
        shard = reopen()
        assert states(shard, "a") == {"phash": "ok", "color": "ok"}
        assert found_ids(shard, "a") == found_ids(shard, "a", "color") == ["a"]
        assert (found_ids(shard, "b"), found_ids(shard, "b", "color")) == ([], ["b"])
        assert_clean(shard)

    def test_a_new_feature_is_awaited_only_where_it_can_be_computed(self, reopen: Reopen) -> None:
        shard = reopen()
        applied(shard, [put("whole"), add("single", ["phash"]), imported("9", ["phash"])])
        shard = reopen((PHASH, COLOR, EXTRA))
        assert states(shard, "whole")["extra"] == "pending"
        assert states(shard, "single")["extra"] == states(shard, "9")["extra"] == "absent"
        assert_clean(shard)

    def test_file_names_lead_to_ids(self, reopen: Reopen) -> None:
        shard = reopen()
        applied(shard, [imported(one, ["phash"], metadata={"file_name": "same.jpg"}) for one in ("2", "1")])
        applied(shard, [put("c", metadata={"file_name": 3})])
        assert shard.ask(IdsOfFileName("same.jpg")) == ["2", "1"]
        applied(shard, [delete("2")])
        shard = reopen()
        assert (shard.ask(IdsOfFileName("same.jpg")), shard.ask(IdsOfFileName("other.jpg"))) == (["1"], [])

    def test_what_is_absent_does_not_count_as_pending(self, reopen: Reopen) -> None:
        shard = reopen()
        applied(shard, [put("a"), add("b", ["phash"]), imported("9", ["color"]), put("c", pending=["color"])])
        assert pending_counts(shard) == {"phash": 0, "color": 1}
        applied(shard, [remove("a", "color"), add("b", ["color"]), delete("9"), delete("c")])
        assert pending_counts(shard) == {"phash": 0, "color": 0}
        shard = reopen((PHASH, COLOR, EXTRA))
        assert pending_counts(shard) == {"phash": 0, "color": 0, "extra": 2}
        assert_clean(shard)

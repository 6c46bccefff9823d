"""A model that becomes known, one that takes over from another, and what is left of the one that was replaced."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storage.encoding.feature_rows import encode_rows
from storage.encoding.keys import number_key
from storage.errors import Busy, FingerprintMismatch, InvalidRequest, UnknownFeature
from storage.operations.features import Features
from storage.operations.indexes import SaveIndexes
from storage.operations.models import AdoptModel, BeginModel, CountLeftBehind, DropReplaced, SwitchModel
from storage.operations.pending import CountPending, PendingWithoutFile
from storage.operations.pictures import Page
from storage.operations.reports import Stats, Verify
from storage.shard.shard import Shard
from storage.tables.model_version_records import stored_fingerprints
from storage.tables.schema import META, PENDING
from storage.types.features import FeatureRows, FeatureSpec
from storage.types.reports import ModelVersion
from storage.types.searches import FeatureQuery, ShardAnswer, ShardQuery
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.models import (
    ONE,
    THREE,
    TWO,
    answer,
    ask_seen,
    fill_seen,
    put_seen,
    seen_by,
    seen_ids,
    states,
)
from tests.unit.storage.samples import PHASH, SPECS, applied, delete, found_ids, inside, outcomes, put, waiting

ORIGIN = {"model": "hub/net", "revision": "abc"}


@pytest.fixture
def late(reopen: Reopen) -> Reopen:
    """Opens the shard with ``global`` as a feature that a model decides."""

    def open_late(specs: Sequence[FeatureSpec] = SPECS, **options: Any) -> Shard:
        return reopen(specs, **{"late": ["global"], **options})

    return open_late


@pytest.fixture
def first(late: Reopen) -> Shard:
    """A shard with a, b and c, seen by the first model."""
    shard = late()
    shard.ask(AdoptModel(ONE, ORIGIN))
    applied(shard, [put_seen(name, ONE) for name in "abc"])
    return shard


def migrated(shard: Shard, model: FeatureSpec = TWO, *, number: int = 0) -> Shard:
    """With the model's index begun, filled and in use; the old one is still there."""
    shard.ask(BeginModel(model, {}))
    records = shard.ask(Page(None, 99))
    applied(shard, [fill_seen(record.id, model, operation=f"{number} {record.id}") for record in records])
    shard.ask(SwitchModel("global", model.fingerprint))
    return shard


def with_reopened(shard: Shard, late: Reopen) -> Iterator[Shard]:
    """The shard as it is, and then opened again."""
    yield shard
    yield late()


def versions(shard: Shard) -> list[tuple[str, str, int, int]]:
    """Fingerprint, role, images with and without rows."""
    return [(one.spec.fingerprint, one.role, one.images, one.pending) for one in shard.ask(Stats()).versions["global"]]


def keys_in_store(shard: Shard) -> set[str]:
    with inside(shard).store.read() as transaction:
        return {key for key in stored_fingerprints(transaction) if key.startswith("global")}


def sound(shard: Shard) -> bool:
    assert shard.ask(Verify()).problems == ()
    return True


# --- a model that becomes known ---


def test_before_a_model_is_known_its_feature_waits_and_a_search_says_so(late: Reopen) -> None:
    shard = late()
    applied(shard, [put_seen("a"), put("b")])
    assert states(shard, ["a", "b"]) == ["pending", "pending"]
    assert waiting(shard, 9) == []  # nobody can fill them yet
    assert shard.ask(CountPending({"global": ""})) == 2
    assert "not been loaded" in answer(shard, ONE, "a").errors["global"]
    assert shard.ask(Stats()).features["global"].pending == 2
    assert "global" not in shard.ask(Stats()).versions
    applied(shard, [put("c", pending=["color"])])
    [image] = waiting(shard, 9)
    assert (image.id, image.features) == ("c", ("color", "global"))
    assert image.fingerprints == {"color": ("color-1",), "global": ()}
    assert sound(shard)


def test_what_was_put_before_the_model_is_filled_and_found_afterwards(late: Reopen) -> None:
    shard = late()
    applied(shard, [put_seen("a"), put_seen("b")])
    assert outcomes(applied(shard, [fill_seen("a", ONE, operation="too soon")])) == ["skipped"]
    assert shard.ask(AdoptModel(ONE, ORIGIN)) == "in_use"
    assert shard.ask(AdoptModel(ONE, {})) == "in_use"
    assert [dict(image.fingerprints) for image in waiting(shard, 9)] == [{"global": ("net-1",)}] * 2
    assert outcomes(applied(shard, [fill_seen("a", ONE)])) == ["filled"]
    assert (seen_ids(shard, ONE, "a"), seen_ids(shard, ONE, "b")) == (["a"], [])
    assert states(shard, ["a", "b"]) == ["ok", "pending"]
    (version,) = shard.ask(Stats()).versions["global"]
    assert version == ModelVersion(ONE, "in_use", ORIGIN, 1, 1)
    assert [image.id for image in waiting(shard, 9)] == ["b"]
    assert sound(shard)


def test_after_reopening_it_is_searchable_before_the_model_says_anything(late: Reopen, first: Shard) -> None:
    shard = late()
    assert seen_ids(shard, ONE, "b") == ["b"]
    assert versions(shard) == [("net-1", "in_use", 3, 0)]
    assert shard.ask(Stats()).versions["global"][0].origin == ORIGIN
    assert shard.ask(AdoptModel(ONE, ORIGIN)) == "in_use"
    assert shard.ask(Features("a", ("global",))) is not None
    assert sound(shard)


def test_stored_rows_say_which_model_gave_them(first: Shard) -> None:
    stored = (first.ask(Features("a", ("global",))) or {})["global"]
    np.testing.assert_array_equal(stored.rows, seen_by(ONE, "a").rows)
    assert stored.fingerprint == "net-1"


@pytest.mark.parametrize("replaces_empty", [False, True])
def test_another_model_is_refused_where_there_are_rows(first: Shard, replaces_empty: bool) -> None:
    with pytest.raises(FingerprintMismatch, match=r"'net-1'.*'net-2'") as refusal:
        first.ask(AdoptModel(TWO, {}, replaces_empty=replaces_empty))
    assert "lookalike backfill global" in refusal.value.shell_hint
    assert versions(first) == [("net-1", "in_use", 3, 0)]


def test_rows_of_another_model_keep_the_picture_with_the_feature_pending(first: Shard) -> None:
    assert outcomes(applied(first, [put_seen("d", TWO)])) == ["created"]
    assert states(first, ["d"]) == ["pending"]
    assert found_ids(first, "d") == ["d"]
    assert [image.id for image in waiting(first, 9)] == ["d"]
    assert outcomes(applied(first, [fill_seen("d", TWO)])) == ["skipped"]
    assert outcomes(applied(first, [fill_seen("d", ONE)])) == ["filled"]
    assert sound(first)


def test_without_rows_yet_another_model_is_simply_adopted(late: Reopen) -> None:
    shard = late()
    applied(shard, [put_seen("a")])
    shard.ask(AdoptModel(ONE, {}))
    with pytest.raises(FingerprintMismatch, match=r"'net-1'.*'net-2'"):
        shard.ask(AdoptModel(TWO, {}))
    assert shard.ask(AdoptModel(TWO, {}, replaces_empty=True)) == "in_use"
    assert versions(shard) == [("net-2", "in_use", 0, 1)]
    assert keys_in_store(shard) == {"global@2"}
    applied(shard, [fill_seen("a", TWO)])
    for again in with_reopened(shard, late):
        assert seen_ids(again, TWO, "a") == ["a"]
        assert states(again, ["a"]) == ["ok"]
        assert sound(again)


def test_a_third_model_is_refused_where_only_the_second_has_rows_yet(late: Reopen) -> None:
    shard = late()
    applied(shard, [put_seen("a")])
    shard.ask(AdoptModel(ONE, {}))
    shard.ask(BeginModel(TWO, {}))
    applied(shard, [fill_seen("a", TWO)])
    with pytest.raises(FingerprintMismatch):
        shard.ask(AdoptModel(THREE, {}, replaces_empty=True))
    assert versions(shard) == [("net-1", "in_use", 0, 1), ("net-2", "following", 1, 0)]


def test_a_feature_that_is_not_late_is_none_of_their_business(first: Shard) -> None:
    with pytest.raises(UnknownFeature, match="'tags'"):
        first.ask(AdoptModel(replace(ONE, name="tags"), {}))
    with pytest.raises(UnknownFeature, match="'caption'"):
        first.ask(BeginModel(replace(ONE, name="caption"), {}))


def test_features_that_are_not_late_are_as_before(late: Reopen, first: Shard) -> None:
    assert [(one.spec, one.role) for one in first.ask(Stats()).versions["phash"]] == [(PHASH, "in_use")]
    assert found_ids(first, "a") == ["a"]
    with pytest.raises(FingerprintMismatch) as refusal:
        late([replace(PHASH, fingerprint="phash-2")])
    assert "backfill" not in refusal.value.hint


# --- one that takes over ---


def test_while_a_model_is_built_up_both_are_searched_and_records_show_the_one_in_use(first: Shard) -> None:
    assert first.ask(BeginModel(TWO, ORIGIN)) == "following"
    assert first.ask(BeginModel(TWO, ORIGIN)) == "following"
    assert first.ask(AdoptModel(TWO, ORIGIN)) == "following"
    assert first.ask(AdoptModel(ONE, ORIGIN)) == "in_use"
    assert [dict(image.fingerprints) for image in waiting(first, 9)] == [{"global": ("net-2",)}] * 3
    applied(first, [fill_seen("a", TWO), put_seen("new", TWO), put_seen("old", ONE)])
    assert states(first, ["a", "b", "new", "old"]) == ["ok", "ok", "pending", "ok"]
    assert [seen_ids(first, ONE, seed) for seed in ("a", "b", "new", "old")] == [["a"], ["b"], [], ["old"]]
    assert [seen_ids(first, TWO, seed) for seed in ("a", "b", "new", "old")] == [["a"], [], ["new"], []]
    awaited = {image.id: image.fingerprints["global"] for image in waiting(first, 9)}
    assert awaited == {"b": ("net-2",), "c": ("net-2",), "new": ("net-1",), "old": ("net-2",)}
    assert versions(first) == [("net-1", "in_use", 4, 1), ("net-2", "following", 2, 3)]
    features = first.ask(Page(None, 99))[0].features
    assert features.keys() == {"phash", "color", "global"}
    assert sound(first)


def test_what_a_write_answers_shows_no_key(first: Shard) -> None:
    first.ask(BeginModel(TWO, {}))
    (created,) = applied(first, [put_seen("d", TWO, operation="d")])
    (repeated,) = applied(first, [put_seen("d", TWO, operation="d")])
    (conflict,) = applied(first, [put_seen("d", TWO, operation="again")])
    for result in (created, repeated, conflict):
        assert result.record is not None
        assert dict(result.record.features) == {"phash": "ok", "color": "ok", "global": "pending"}


def test_a_query_without_a_fingerprint_asks_the_one_in_use(first: Shard) -> None:
    rows = {model.fingerprint: seen_by(model, "a").rows for model in (ONE, TWO)}

    def ids(fingerprint: str) -> list[str]:
        query = ShardQuery((FeatureQuery("global", rows[fingerprint], 1, 1e-5),))
        return [hit.id for hit in first.search([query])[0].hits["global"]]

    assert ids("net-1") == ["a"]
    migrated(first)
    assert ids("net-2") == ["a"]


@pytest.mark.parametrize("moved", [False, True])
def test_a_query_of_a_model_that_is_unknown_here_is_told_so(first: Shard, moved: bool) -> None:
    if moved:
        migrated(first).ask(DropReplaced("global"))
    error = answer(first, THREE, "a").errors["global"]
    assert "'net-3'" in error
    assert "a backfill of 'global'" in error
    assert "global" not in answer(first, THREE, "a").hits


def test_queries_of_both_models_in_one_call_get_each_their_own_answer(first: Shard) -> None:
    migrated(first)
    one, two, three = first.search([ask_seen(ONE, "a"), ask_seen(TWO, "b"), ask_seen(THREE, "c")])
    assert [hit.id for hit in one.hits["global"]] == ["a"]
    assert [hit.id for hit in two.hits["global"]] == ["b"]
    assert three.errors.keys() == {"global"}


def test_the_old_one_can_be_asked_until_it_is_dropped(late: Reopen, first: Shard) -> None:
    migrated(first)
    applied(first, [put_seen("late", ONE), put_seen("new", TWO), delete("c")])
    assert states(first, ["a", "late", "new"]) == ["ok", "pending", "ok"]
    assert versions(first) == [("net-2", "in_use", 3, 1), ("net-1", "replaced", 2, 2)]
    for shard in with_reopened(first, late):
        assert [seen_ids(shard, ONE, seed) for seed in ("a", "c", "late")] == [["a"], [], []]
        assert [seen_ids(shard, TWO, seed) for seed in ("a", "c", "new")] == [["a"], [], ["new"]]
        assert shard.ask(AdoptModel(ONE, {})) == "replaced"
        assert sound(shard)
    shard.ask(SwitchModel("global", "net-2"))
    assert shard.ask(DropReplaced("global")) == 1
    assert shard.ask(DropReplaced("global")) == 0
    assert versions(shard) == [("net-2", "in_use", 3, 1)]
    assert "'net-1'" in answer(shard, ONE, "a").errors["global"]
    assert sound(shard)


def test_a_dropped_one_leaves_nothing_behind(late: Reopen, first: Shard, tmp_path: Path) -> None:
    snapshots = tmp_path / "shard" / "snapshots"
    applied(first, [put_seen("waits", None, original=b"bytes", source=None)])
    migrated(first)
    first.ask(SaveIndexes())
    assert (snapshots / "global").is_dir()
    assert (snapshots / "global@2").is_dir()
    applied(first, [fill_seen("waits", TWO)])
    first.ask(DropReplaced("global"))
    assert keys_in_store(first) == {"global@2"}
    assert not (snapshots / "global").exists()
    with pytest.raises(KeyError), inside(first).store.read() as transaction:
        transaction.count("feature:global")
    with inside(first).store.read() as transaction:
        assert transaction.count(PENDING) == 0
        assert transaction.count("originals") == 0
        assert [key for key in transaction.keys(META, b"whitening:")] == []
    first.ask(SaveIndexes())
    assert not (snapshots / "global").exists()
    shard = late()
    assert seen_ids(shard, TWO, "waits") == ["waits"]
    assert waiting(shard, 9) == []
    assert sound(shard)


def test_what_a_takeover_would_lose_is_counted(late: Reopen, first: Shard) -> None:
    applied(first, [put_seen("d")])
    first.ask(BeginModel(TWO, {}))
    applied(first, [fill_seen(name, TWO) for name in "abd"])
    for shard in with_reopened(first, late):
        assert shard.ask(CountLeftBehind("global", "net-2", time.time() + 1)) == 1
        assert shard.ask(CountLeftBehind("global", "net-2", 0)) == 0  # c is younger
        assert shard.ask(CountLeftBehind("global", "net-1", time.time() + 1)) == 0
        assert shard.ask(CountLeftBehind("global", "net-3", time.time() + 1)) == 3
    applied(shard, [fill_seen("c", TWO)])
    assert shard.ask(CountLeftBehind("global", "net-2", time.time() + 1)) == 0


def test_only_the_one_that_follows_takes_over(first: Shard) -> None:
    with pytest.raises(InvalidRequest, match="'net-2'") as refusal:
        first.ask(SwitchModel("global", "net-2"))
    assert "lookalike backfill global" in refusal.value.shell_hint
    first.ask(BeginModel(TWO, {}))
    with pytest.raises(InvalidRequest, match="'net-3'"):
        first.ask(SwitchModel("global", "net-3"))
    first.ask(SwitchModel("global", "net-1"))
    assert versions(first)[0] == ("net-1", "in_use", 3, 0)


def test_beginning_with_another_model_drops_the_first_attempt(late: Reopen, first: Shard) -> None:
    first.ask(BeginModel(TWO, {}))
    applied(first, [fill_seen("a", TWO), fill_seen("b", TWO)])
    assert first.ask(BeginModel(THREE, {})) == "following"
    assert versions(first) == [("net-1", "in_use", 3, 0), ("net-3", "following", 0, 3)]
    assert len(keys_in_store(first)) == 2
    assert outcomes(applied(first, [fill_seen("a", TWO, operation="too late"), fill_seen("a", THREE)])) == [
        "skipped",
        "filled",
    ]
    for shard in with_reopened(first, late):
        assert [seen_ids(shard, THREE, seed) for seed in "ab"] == [["a"], []]
        assert [image.id for image in waiting(shard, 9)] == ["b", "c"]
        assert sound(shard)


def test_a_first_model_needs_no_beginning(late: Reopen) -> None:
    shard = late()
    assert shard.ask(BeginModel(ONE, {})) == "in_use"
    assert versions(shard) == [("net-1", "in_use", 0, 0)]


def test_the_model_that_was_replaced_can_come_back_with_what_it_has(late: Reopen, first: Shard) -> None:
    migrated(first)
    applied(first, [put_seen("new", TWO)])
    assert first.ask(BeginModel(ONE, {})) == "following"
    assert versions(first) == [("net-2", "in_use", 4, 0), ("net-1", "following", 3, 1)]
    assert [(image.id, image.fingerprints["global"]) for image in waiting(first, 9)] == [("new", ("net-1",))]
    applied(first, [fill_seen("new", ONE)])
    first.ask(SwitchModel("global", "net-1"))
    first.ask(DropReplaced("global"))
    for shard in with_reopened(first, late):
        assert [seen_ids(shard, ONE, seed) for seed in ("a", "new")] == [["a"], ["new"]]
        assert versions(shard) == [("net-1", "in_use", 4, 0)]
        assert sound(shard)


def test_pictures_are_deleted_and_replaced_in_every_version(late: Reopen, first: Shard) -> None:
    first.ask(BeginModel(TWO, {}))
    applied(first, [fill_seen(name, TWO) for name in "abc"])
    applied(first, [delete("a"), put_seen("b", TWO, seed="other", on_conflict="replace")])
    first.ask(SwitchModel("global", "net-2"))
    applied(first, [delete("c"), put_seen("d", TWO)])
    for shard in with_reopened(first, late):
        assert [seen_ids(shard, ONE, seed) for seed in "abcd"] == [[], [], [], []]
        assert [seen_ids(shard, TWO, seed) for seed in ("a", "b", "other", "c", "d")] == [[], [], ["b"], [], ["d"]]
        assert sound(shard)


def test_a_second_and_a_third_migration_go_as_the_first(late: Reopen, first: Shard) -> None:
    for number, model in enumerate([TWO, THREE, ONE, TWO]):
        shard = late()
        migrated(shard, model, number=number).ask(DropReplaced("global"))
        applied(shard, [put_seen(f"new {number}", model)])
        assert sound(shard)
    assert versions(shard) == [("net-2", "in_use", 7, 0)]
    assert [seen_ids(shard, TWO, seed) for seed in ("a", "new 0", "new 2", "new 3")] == [
        ["a"],
        ["new 0"],
        ["new 2"],
        ["new 3"],
    ]


def test_what_waits_for_a_model_is_counted_where_it_can_be_filled(late: Reopen) -> None:
    shard = late(annotations=["caption"])
    applied(shard, [put_seen("a"), put_seen("b"), put_seen("lost", source=None)])
    assert shard.ask(CountPending({"global": "net-1"})) == 2
    shard.ask(AdoptModel(ONE, {}))
    applied(shard, [fill_seen("a", ONE)])
    shard.ask(BeginModel(TWO, {}))

    def counted(**wanted: str) -> tuple[int, list[str]]:
        return shard.ask(CountPending(wanted)), shard.ask(PendingWithoutFile(wanted, 9))

    assert counted(**{"global": "net-1"}) == (1, ["lost"])
    assert counted(**{"global": "net-2"}) == (2, ["lost"])
    assert counted(**{"global": "net-3"}) == counted(mood="") == counted(phash="phash-1") == (0, [])
    assert counted(caption="", **{"global": "net-1"}) == (2, ["lost"])
    assert shard.ask(PendingWithoutFile({"caption": ""}, 0)) == []
    shard.ask(SwitchModel("global", "net-2"))
    assert counted(**{"global": "net-1"}) == (0, [])


# --- at every step the shard may be opened again, or be killed ---


def test_every_step_survives_reopening(late: Reopen, first: Shard) -> None:
    first.ask(BeginModel(TWO, ORIGIN))
    shard = late()
    assert versions(shard) == [("net-1", "in_use", 3, 0), ("net-2", "following", 0, 3)]
    assert shard.ask(Stats()).versions["global"][1].origin == ORIGIN
    applied(shard, [fill_seen(name, TWO) for name in "ab"])
    shard = late()
    assert [seen_ids(shard, TWO, seed) for seed in "abc"] == [["a"], ["b"], []]
    assert [image.id for image in waiting(shard, 9)] == ["c"]
    applied(shard, [fill_seen("c", TWO)])
    shard.ask(SwitchModel("global", "net-2"))
    shard = late()
    assert versions(shard) == [("net-2", "in_use", 3, 0), ("net-1", "replaced", 3, 0)]
    assert sound(shard)
    shard.ask(DropReplaced("global"))
    shard = late()
    assert versions(shard) == [("net-2", "in_use", 3, 0)]
    assert [seen_ids(shard, TWO, seed) for seed in "abc"] == [["a"], ["b"], ["c"]]
    assert sound(shard)


class Killed(BaseException):
    """The process ends here."""


def die(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.parametrize("marked", [0, 1, 2])
def test_a_beginning_that_stops_while_pictures_are_marked_is_made_good(
    late: Reopen, first: Shard, monkeypatch: pytest.MonkeyPatch, marked: int
) -> None:
    monkeypatch.setattr("storage.tables.registration.CHANGED_AT_ONCE", 1)
    left = [marked]

    def some(*_: object) -> bool:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return True

    with monkeypatch.context() as patched:
        patched.setattr("storage.tables.registration.can_be_filled", some)
        with pytest.raises(Killed):
            first.ask(BeginModel(TWO, {}))
    shard = late()
    assert versions(shard) == [("net-1", "in_use", 3, 0), ("net-2", "following", 0, 3)]
    assert [dict(image.fingerprints) for image in waiting(shard, 9)] == [{"global": ("net-2",)}] * 3
    assert sound(shard)
    assert shard.ask(BeginModel(TWO, {})) == "following"
    assert migrated(shard).ask(DropReplaced("global")) == 1
    assert seen_ids(shard, TWO, "c") == ["c"]
    assert sound(shard)


@pytest.mark.parametrize(
    "step",
    [
        "storage.upkeep.model_removal.for_every_image",
        "storage.upkeep.model_removal.remove_snapshots",
        "storage.upkeep.model_removal.forget_version",
        "storage.upkeep.model_switch.remove_versions",
    ],
)
def test_a_removal_that_stops_half_way_is_finished_at_the_next_opening(
    late: Reopen, first: Shard, monkeypatch: pytest.MonkeyPatch, step: str, tmp_path: Path
) -> None:
    migrated(first).ask(SaveIndexes())
    with monkeypatch.context() as patched:
        patched.setattr(step, die)
        with pytest.raises(Killed):
            first.ask(DropReplaced("global"))
    assert versions(first) == [("net-2", "in_use", 3, 0)]
    shard = late()
    assert keys_in_store(shard) == {"global@2"}
    assert not (tmp_path / "shard" / "snapshots" / "global").exists()
    assert outcomes(applied(shard, [delete("a"), put_seen("d", TWO)])) == ["deleted", "created"]
    assert [seen_ids(shard, TWO, seed) for seed in "abd"] == [[], ["b"], ["d"]]
    assert sound(shard)


def test_a_second_attempt_after_a_crash_finds_nothing_of_the_first(
    late: Reopen, first: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    first.ask(BeginModel(TWO, {}))
    applied(first, [fill_seen(name, TWO) for name in "abc"])
    with monkeypatch.context() as patched:
        patched.setattr("storage.upkeep.model_switch.build_index", die)  # after the first attempt was dropped
        with pytest.raises(Killed):
            first.ask(BeginModel(THREE, {}))
    shard = late()
    assert versions(shard) == [("net-1", "in_use", 3, 0)]
    assert shard.ask(BeginModel(THREE, {})) == "following"
    assert versions(shard) == [("net-1", "in_use", 3, 0), ("net-3", "following", 0, 3)]
    assert [dict(image.fingerprints) for image in waiting(shard, 9)] == [{"global": ("net-3",)}] * 3
    assert sound(shard)


def test_another_model_adopted_half_way_is_in_use_after_reopening(
    late: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = late()
    applied(shard, [put_seen("a")])
    shard.ask(AdoptModel(ONE, {}))
    with monkeypatch.context() as patched:
        patched.setattr("storage.upkeep.model_switch.mark_pending_everywhere", die)
        with pytest.raises(Killed):
            shard.ask(AdoptModel(TWO, {}, replaces_empty=True))
    assert states(shard, ["a"]) == ["pending"]
    shard = late()
    assert shard.ask(AdoptModel(TWO, {})) == "in_use"
    assert outcomes(applied(shard, [fill_seen("a", TWO)])) == ["filled"]
    assert sound(shard)


def test_a_late_feature_that_is_not_configured_for_a_while_keeps_all_its_versions(late: Reopen, first: Shard) -> None:
    migrated(first)
    shard = late(late=[])
    assert "global" not in shard.ask(Stats()).features
    applied(shard, [delete("a"), put("d")])
    assert sound(shard)
    shard = late()
    assert versions(shard) == [("net-2", "in_use", 2, 1), ("net-1", "replaced", 2, 1)]
    assert [seen_ids(shard, TWO, seed) for seed in "abc"] == [[], ["b"], ["c"]]
    assert [image.id for image in waiting(shard, 9)] == ["d"]
    assert sound(shard)


# --- while others read and write ---


def test_a_model_that_is_known_need_not_wait_for_a_change_under_way(
    first: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles: list[str] = []

    def slow(*_: object) -> None:
        for model in (ONE, TWO):
            other = threading.Thread(target=lambda model=model: roles.append(first.ask(AdoptModel(model, {}))))
            other.start()
            other.join(10)

    monkeypatch.setattr("storage.upkeep.model_switch.mark_pending_everywhere", slow)
    first.ask(BeginModel(TWO, {}))
    assert roles == ["in_use", "following"]


def test_a_model_that_is_unknown_does_not_wait_out_a_change_under_way(
    first: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.upkeep.model_switch.ADOPTION_PATIENCE_S", 0.01)
    refused: list[Busy] = []

    def slow(*_: object) -> None:
        with pytest.raises(Busy, match="is being changed") as refusal, ThreadPoolExecutor(1) as other:
            other.submit(first.ask, AdoptModel(THREE, {})).result(10)
        refused.append(refusal.value)

    monkeypatch.setattr("storage.upkeep.model_switch.mark_pending_everywhere", slow)
    first.ask(BeginModel(TWO, {}))
    assert len(refused) == 1
    with pytest.raises(FingerprintMismatch):
        first.ask(AdoptModel(THREE, {}))


def test_searches_go_on_through_a_migration_and_never_mix_two_models(first: Shard) -> None:
    done, taken_over, dropping = threading.Event(), threading.Event(), threading.Event()
    wrong: list[object] = []
    wanted = {
        model.fingerprint: {
            name: 1 - float(seen_by(model, "a").rows[0] @ seen_by(model, name).rows[0]) for name in "abcx"
        }
        for model in (ONE, TWO)
    }

    def look_at(model: FeatureSpec, given: ShardAnswer, *, may_be_gone: bool) -> None:
        hits = {hit.id: hit.distance for hit in given.hits.get("global", ())}
        mixed = any(abs(distance - wanted[model.fingerprint][name]) > 1e-5 for name, distance in hits.items())
        if mixed or (not may_be_gone and not hits.keys() >= set("abc")):
            wrong.append((model, given))

    def search() -> None:
        while not done.is_set():
            try:
                moved = taken_over.is_set()
                old, new = first.search([ask_seen(ONE, "a", max_distance=None), ask_seen(TWO, "a", max_distance=None)])
                look_at(ONE, old, may_be_gone=dropping.is_set())
                look_at(TWO, new, may_be_gone=not moved)
                if any(record.features["global"] != "ok" for record in first.ask(Page(None, 9)) if record.id in "abc"):
                    wrong.append("a record that waits")
            except BaseException as error:
                wrong.append(error)

    def write() -> None:
        number = 0
        while not done.is_set():
            try:
                applied(first, [put_seen("x", (ONE, TWO)[number % 2], operation=f"x {number}", on_conflict="replace")])
            except BaseException as error:
                wrong.append(error)
            number += 1

    threads = [threading.Thread(target=work) for work in (search, search, write)]
    for thread in threads:
        thread.start()
    first.ask(BeginModel(TWO, {}))
    applied(first, [fill_seen(name, TWO) for name in "abc"])
    first.ask(SwitchModel("global", "net-2"))
    taken_over.set()
    dropping.set()
    first.ask(DropReplaced("global"))
    first.ask(BeginModel(THREE, {}))
    first.ask(BeginModel(ONE, {}))
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert seen_ids(first, TWO, "b") == ["b"]
    assert sound(first)


class FirstAsked:
    """A lock before which something else is done the first time that it is asked for."""

    def __init__(self, lock: Any, work: Callable[[], object]) -> None:
        self._lock = lock
        self._works = [work]

    def __enter__(self) -> None:
        while self._works:
            self._works.pop()()
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


def test_rows_that_no_model_vouched_for_are_checked_once_they_have_a_place(late: Reopen) -> None:
    shard = late()
    live = inside(shard).live
    asked = FirstAsked(live.write_lock, lambda: shard.ask(AdoptModel(ONE, {})))
    object.__setattr__(live, "write_lock", asked)
    bad = put_seen("a", ONE)
    bad = replace(
        bad, features={**bad.features, "global": FeatureRows(np.ones((1, 3), np.float32), fingerprint="net-1")}
    )
    with pytest.raises(InvalidRequest, match="'global' of image 'a'"):
        applied(shard, [bad])
    assert versions(shard) == [("net-1", "in_use", 0, 0)]


def test_a_damaged_row_of_the_following_version_is_found_out(first: Shard) -> None:
    first.ask(BeginModel(TWO, {}))
    applied(first, [fill_seen("a", TWO)])
    inside(first).store.write(
        lambda transaction: transaction.put("feature:global@2", number_key(0), encode_rows(seen_by(TWO, "b")))
    )
    assert any("global@2" in problem for problem in first.ask(Verify()).problems)

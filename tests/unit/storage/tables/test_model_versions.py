"""Names outside, keys inside: which version of a feature rows, states and queries belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import FingerprintMismatch
from storage.tables.model_versions import ModelVersions, feature_of_key, mismatch
from storage.types.features import FeatureRows, FeatureSpec, FeatureState
from storage.types.mutations import DeleteImage, FillFeatures, PutImage
from tests.unit.storage.samples import PHASH, record

GLOBAL = FeatureSpec("global", "dense", 8, "cosine", "net-1")
ROW = np.eye(1, 8, dtype=np.float32)
FIXED = replace(ModelVersions.of([PHASH]), annotations=frozenset(["caption"]))
AWAITED = replace(FIXED, awaited=frozenset(["global"]))
FIRST = AWAITED.with_version("global", GLOBAL, {"model": "a"}).with_role("global", "global", "in_use")


def followed(versions: ModelVersions, fingerprint: str) -> ModelVersions:
    key = versions.unused_key("global")
    spec = replace(GLOBAL, fingerprint=fingerprint)
    return versions.with_version(key, spec, {}).with_role("global", key, "following")


BOTH = followed(FIRST, "net-2")
TAKEN_OVER = BOTH.with_role("global", "global@2", "in_use")
SECOND = TAKEN_OVER.without("global")


def rows(fingerprint: str = "") -> FeatureRows:
    return FeatureRows(ROW, fingerprint=fingerprint)


def put(states: Mapping[str, FeatureState], **features: FeatureRows) -> PutImage:
    return PutImage("op", record("a", states), features, b"")


def states_of(versions: ModelVersions, mutation: PutImage) -> Mapping[str, FeatureState]:
    keyed = versions.keyed(mutation)
    assert isinstance(keyed, PutImage)
    return keyed.record.features


def test_a_feature_that_is_awaited_has_a_name_and_no_version() -> None:
    assert AWAITED.names == ("caption", "global", "phash")
    assert AWAITED.kept == ("caption", "global", "phash")
    assert AWAITED.keys_of("global") == ()
    assert AWAITED.key_of("global") is None
    assert AWAITED.key_of("global", "net-1") is None


def test_the_first_version_is_called_as_the_feature() -> None:
    assert (FIRST.names, FIRST.kept, FIRST.awaited) == (AWAITED.names, AWAITED.kept, frozenset())
    assert FIRST.key_of("global") == FIRST.key_of("global", "net-1") == "global"
    assert FIRST.key_of("global", "net-2") is None
    assert FIRST.origins["global"] == {"model": "a"}


def test_rows_find_their_version_by_their_fingerprint() -> None:
    for versions in (BOTH, TAKEN_OVER):
        assert versions.key_of("global", "net-1") == "global"
        assert versions.key_of("global", "net-2") == "global@2"
        assert versions.key_of("global", "net-3") is None
    assert (BOTH.key_of("global"), TAKEN_OVER.key_of("global")) == ("global", "global@2")


def test_new_pictures_wait_for_what_follows_and_no_longer_for_what_was_replaced() -> None:
    assert BOTH.kept == ("caption", "global", "global@2", "phash")
    assert TAKEN_OVER.kept == SECOND.kept == ("caption", "global@2", "phash")
    assert BOTH.names == TAKEN_OVER.names == FIRST.names


def test_every_version_has_one_role() -> None:
    assert [(key, BOTH.role_of("global", key)) for key in BOTH.keys_of("global")] == [
        ("global", "in_use"),
        ("global@2", "following"),
    ]
    assert [(key, TAKEN_OVER.role_of("global", key)) for key in TAKEN_OVER.keys_of("global")] == [
        ("global@2", "in_use"),
        ("global", "replaced"),
    ]
    assert SECOND.keys_of("global") == ("global@2",)


def test_one_that_was_replaced_can_follow_again() -> None:
    back = TAKEN_OVER.with_role("global", "global", "following")
    assert (back.in_use["global"], back.following["global"], list(back.replaced["global"])) == (
        "global@2",
        "global",
        [],
    )
    assert back.with_role("global", "global", "in_use").keys_of("global") == ("global", "global@2")


def test_a_version_that_is_gone_leaves_nothing() -> None:
    assert SECOND.specs.keys() == {"phash", "global@2"}
    assert SECOND.origins.keys() == {"global@2"}
    assert BOTH.without("global@2").following == {}


@pytest.mark.parametrize(
    ("versions", "key"), [(FIRST, "global@2"), (BOTH, "global@3"), (SECOND, "global@3"), (FIXED, "global@2")]
)
def test_an_unused_key_is_newer_than_all(versions: ModelVersions, key: str) -> None:
    assert versions.unused_key("global") == key
    assert feature_of_key(key) == "global"


@pytest.mark.parametrize(
    ("versions", "stored", "shown"),
    [
        (FIRST, {"global": "ok"}, {"global": "ok"}),
        (BOTH, {"global": "ok", "global@2": "pending"}, {"global": "ok"}),
        (TAKEN_OVER, {"global": "pending", "global@2": "ok"}, {"global": "ok"}),
        (TAKEN_OVER, {"global": "ok", "global@2": "pending"}, {"global": "pending"}),
        (SECOND, {"global@2": "ok"}, {"global": "ok"}),
        (SECOND, {"global": "ok"}, {"global": "pending"}),  # the outcome of an operation that was long ago
    ],
)
def test_records_show_the_state_of_the_version_in_use(
    versions: ModelVersions, stored: dict[str, FeatureState], shown: dict[str, FeatureState]
) -> None:
    others: dict[str, FeatureState] = {"phash": "ok", "caption": "pending", "not_configured": "ok"}
    found = versions.shown(record("a", {**others, **stored}))
    assert found.features == {**others, **shown}


def test_rows_go_to_their_version_and_the_other_one_waits() -> None:
    one, other = put({"global": "ok"}, **{"global": rows("net-1")}), put({"global": "ok"}, **{"global": rows("net-2")})
    assert states_of(BOTH, one) == {"global": "ok", "global@2": "pending"}
    assert states_of(BOTH, other) == {"global": "pending", "global@2": "ok"}
    assert states_of(BOTH, put({"global": "ok"}, **{"global": rows()})) == {"global": "ok", "global@2": "pending"}
    keyed = BOTH.keyed(other)
    assert isinstance(keyed, PutImage)
    assert keyed.features.keys() == {"global@2"}


@pytest.mark.parametrize(
    ("versions", "fingerprint"), [(AWAITED, "net-1"), (AWAITED, ""), (FIRST, "net-2"), (SECOND, "net-1")]
)
def test_rows_without_a_place_leave_the_feature_pending(versions: ModelVersions, fingerprint: str) -> None:
    keyed = versions.keyed(put({"global": "ok", "phash": "pending"}, **{"global": rows(fingerprint)}))
    assert isinstance(keyed, PutImage)
    assert keyed.features == {}
    assert set(keyed.record.features.values()) == {"pending"}


def test_rows_of_what_was_replaced_are_left_out() -> None:
    assert states_of(TAKEN_OVER, put({"global": "ok"}, **{"global": rows("net-1")})) == {"global@2": "pending"}
    fill = TAKEN_OVER.keyed(FillFeatures("op", "a", "", {"global": rows("net-1")}))
    assert isinstance(fill, FillFeatures)
    assert fill.features == {}


def test_annotations_keep_their_names() -> None:
    brought = put({"caption": "ok"})
    assert states_of(FIRST, replace(brought, record=replace(brought.record, annotations={"caption": "x"}))) == {
        "caption": "ok"
    }
    assert states_of(FIRST, put({"caption": "pending"})) == {"caption": "pending"}


def test_deletes_are_the_same_in_keys() -> None:
    delete = DeleteImage("op", "a")
    assert BOTH.keyed(delete) is delete


def test_a_mismatch_says_what_to_do() -> None:
    error = mismatch("global", "net-1", "net-2")
    assert isinstance(error, FingerprintMismatch)
    assert "'net-1'" in error.message
    assert "'net-2'" in error.message
    assert "lookalike backfill global" in error.shell_hint
    assert "backfill" not in mismatch("phash", "1", "2", can_move=False).hint


steps = st.lists(st.sampled_from(["begin", "take over", "drop", "back"]), max_size=12)


def after(taken: Sequence[str]) -> ModelVersions:
    """The versions after as many of the steps as make sense."""
    versions = FIRST
    for number, step in enumerate(taken):
        replaced = versions.replaced.get("global", ())
        if step == "begin" and "global" not in versions.following:
            versions = followed(versions, f"net-{number + 2}")
        elif step == "take over" and "global" in versions.following:
            versions = versions.with_role("global", versions.following["global"], "in_use")
        elif step == "back" and replaced and "global" not in versions.following:
            versions = versions.with_role("global", replaced[-1], "following")
        elif step == "drop":
            for key in replaced:
                versions = versions.without(key)
    return versions


@given(steps)
def test_whatever_happens_each_version_has_one_role_and_its_fingerprint_leads_to_it(taken: list[str]) -> None:
    versions = after(taken)
    keys = versions.keys_of("global")
    assert len(set(keys)) == len(keys)
    assert set(keys) == versions.specs.keys() - {"phash"} == versions.origins.keys()
    for key in keys:
        assert versions.key_of("global", versions.specs[key].fingerprint) == key
        assert versions.specs[key].name == key
        assert feature_of_key(key) == "global"
    assert versions.unused_key("global") not in keys
    assert versions.names == FIRST.names
    assert versions.key_of("global") == keys[0] == versions.in_use["global"]


@given(steps, st.data())
def test_a_put_in_keys_speaks_of_every_kept_version_and_shows_what_it_brought(
    taken: list[str], data: st.DataObject
) -> None:
    versions = after(taken)
    key = data.draw(st.sampled_from(versions.keys_of("global")))
    mutation = put({"global": "ok", "caption": "pending"}, **{"global": rows(versions.specs[key].fingerprint)})
    keyed = versions.keyed(mutation)
    assert isinstance(keyed, PutImage)
    kept = {one for one in versions.keys_of("global") if versions.role_of("global", one) != "replaced"}
    assert keyed.record.features.keys() == kept | {"caption"}
    assert (
        {one for one, state in keyed.record.features.items() if state == "ok"} == keyed.features.keys() == kept & {key}
    )
    shown = versions.shown(keyed.record)
    assert shown.features == {
        "global": "ok" if key == versions.in_use["global"] else "pending",
        "caption": "pending",
    }

"""What annotators say of pictures: awaited like features, kept in the rows, told with every hit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from storage.errors import InvalidField, InvalidRequest, UnknownFeature
from storage.operations.models import AdoptModel, BeginModel, DropReplaced, SwitchModel
from storage.operations.pictures import Original, Records
from storage.operations.reports import Verify
from storage.shard.shard import Shard
from storage.types.features import FeatureState
from storage.types.mutations import FillFeatures, MutationResult, PutImage
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.models import ONE, TWO, fill_seen, put_seen
from tests.unit.storage.samples import (
    applied,
    ask,
    delete,
    find,
    found_ids,
    outcomes,
    picture_rows,
    put,
    waiting,
)

CAPTION = {"text": "a dog on a caf\u00e9 table", "score": 0.75}


@pytest.fixture
def annotated(reopen: Reopen) -> Callable[..., Shard]:
    def open_annotated(**options: Any) -> Shard:
        return reopen(**{"annotations": ["caption", "tags"], **options})

    return open_annotated


@pytest.fixture
def shard(annotated: Callable[..., Shard]) -> Shard:
    return annotated()


def say(image_id: str, operation: str = "say", **annotations: Any) -> FillFeatures:
    return FillFeatures(operation, image_id, hashlib.sha256(image_id.encode()).hexdigest(), {}, annotations)


def put_said(image_id: str, annotations: Mapping[str, Any], **options: Any) -> PutImage:
    made = put(image_id, **options)
    features: dict[str, FeatureState] = {**made.record.features, **dict.fromkeys(annotations, "ok")}
    return replace(made, record=replace(made.record, features=features, annotations=annotations))


def said(shard: Shard, image_id: str) -> Mapping[str, Any]:
    """What the picture's record has, which is what a search tells."""
    (record,) = shard.ask(Records((image_id,)))
    assert record is not None
    (given,) = shard.search([ask("phash", picture_rows(image_id)["phash"].rows, 1)])
    assert given.summaries[image_id].annotations == record.annotations
    return record.annotations


def test_annotations_are_awaited_until_they_are_filled(shard: Shard) -> None:
    applied(shard, [put("a"), put("b")])
    (record,) = shard.ask(Records(("a",)))
    assert record is not None
    assert record.features == {"phash": "ok", "color": "ok", "caption": "pending", "tags": "pending"}
    assert [(image.id, image.features) for image in waiting(shard, 9)] == [
        ("a", ("caption", "tags")),
        ("b", ("caption", "tags")),
    ]
    (result,) = applied(shard, [say("a", caption=CAPTION)])
    assert result.outcome == "filled"
    assert result.record is not None
    assert result.record.annotations == {"caption": CAPTION}
    assert [(image.id, image.features) for image in waiting(shard, 9)] == [("a", ("tags",)), ("b", ("caption", "tags"))]
    applied(shard, [say("a", "say more", tags=["dog"])])
    assert said(shard, "a") == {"caption": CAPTION, "tags": ["dog"]}
    assert [image.id for image in waiting(shard, 9)] == ["b"]
    assert shard.ask(Verify()).problems == ()


def test_searches_tell_what_was_said_last_before_and_after_every_filling(shard: Shard) -> None:
    applied(shard, [put("a")])
    for _ in range(2):
        assert said(shard, "a") == {}
    applied(shard, [say("a", caption=CAPTION)])
    for _ in range(2):
        assert said(shard, "a") == {"caption": CAPTION}
    applied(shard, [say("a", "say more", tags=[])])
    for _ in range(2):
        assert said(shard, "a") == {"caption": CAPTION, "tags": []}
    applied(shard, [put("a", on_conflict="replace", operation="again")])
    assert said(shard, "a") == {}


def test_annotations_are_not_said_twice_nor_of_another_picture(shard: Shard) -> None:
    applied(shard, [put("a"), put("b", seed="replaced meanwhile")])
    applied(shard, [say("a", caption=CAPTION)])
    assert outcomes(
        applied(shard, [say("a", "again", caption="else"), say("b", "other", caption="x"), say("c", "nobody", tags=[])])
    ) == ["skipped", "skipped", "absent"]
    assert said(shard, "a") == {"caption": CAPTION}


def test_an_annotation_may_be_nothing(shard: Shard) -> None:
    applied(shard, [put("a")])
    assert outcomes(applied(shard, [say("a", caption=None, tags=None)])) == ["filled"]
    assert said(shard, "a") == {"caption": None, "tags": None}
    assert waiting(shard, 9) == []


def test_a_put_may_bring_them(annotated: Callable[..., Shard], shard: Shard) -> None:
    applied(shard, [put_said("a", {"caption": CAPTION}), put_said("b", {"caption": "x", "tags": ["y"]})])
    assert said(shard, "a") == {"caption": CAPTION}
    assert [(image.id, image.features) for image in waiting(shard, 9)] == [("a", ("tags",))]
    assert shard.ask(Verify()).problems == ()
    reopened = annotated()
    assert said(reopened, "b") == {"caption": "x", "tags": ["y"]}


def test_features_and_annotations_are_filled_together(annotated: Callable[..., Shard]) -> None:
    shard = annotated(late=["global"])
    shard.ask(AdoptModel(ONE, {}))
    applied(shard, [put_seen("a", original=b"bytes", source=None)])
    applied(shard, [replace(fill_seen("a", ONE), annotations={"caption": CAPTION, "tags": []})])
    assert said(shard, "a") == {"caption": CAPTION, "tags": []}
    assert shard.ask(Original("a")) is None
    shard.ask(BeginModel(TWO, {}))
    shard.ask(SwitchModel("global", "net-2"))
    shard.ask(DropReplaced("global"))
    assert said(shard, "a") == {"caption": CAPTION, "tags": []}
    assert shard.ask(Verify()).problems == ()


@pytest.mark.parametrize("name", ["mood", "phash", "color"])
def test_what_no_annotator_here_says_is_refused(shard: Shard, name: str) -> None:
    applied(shard, [put("a", pending=["color"])])
    with pytest.raises(UnknownFeature, match=f"no annotation '{name}'") as refusal:
        applied(shard, [say("a", **{name: "x"})])
    assert refusal.value.hint == "this shard keeps caption, tags"
    with pytest.raises(UnknownFeature):
        applied(shard, [put_said("b", {name: "x"}, pending=[name] if name in ("phash", "color") else [])])
    assert shard.ask(Verify()).problems == ()


def test_a_record_that_says_it_has_what_it_does_not_bring_is_refused(shard: Shard) -> None:
    made = put("a")
    with pytest.raises(InvalidRequest, match="caption"):
        applied(shard, [replace(made, record=replace(made.record, features={**made.record.features, "caption": "ok"}))])
    with pytest.raises(InvalidRequest, match="caption"):
        applied(shard, [replace(made, record=replace(made.record, annotations={"caption": "x"}))])


def test_what_json_cannot_hold_is_refused_by_itself(shard: Shard) -> None:
    applied(shard, [put("a"), put("b")])
    refused, filled = shard.apply([say("a", caption=float("nan")), say("b", "other", caption=CAPTION)])
    assert isinstance(refused, InvalidField)
    assert isinstance(filled, MutationResult)
    assert (filled.outcome, said(shard, "a"), said(shard, "b")) == ("filled", {}, {"caption": CAPTION})


def test_rows_are_no_annotation(shard: Shard) -> None:
    fill = FillFeatures("op", "a", "", {"caption": picture_rows("a")["color"]})
    with pytest.raises(UnknownFeature, match="no feature 'caption'"):
        applied(shard, [fill])


def test_an_annotator_that_comes_later_finds_every_picture_waiting(
    annotated: Callable[..., Shard], shard: Shard
) -> None:
    applied(shard, [put_said("a", {"caption": CAPTION, "tags": []}), put("b")])
    shard = annotated(annotations=["caption", "tags", "mood"])
    assert [(image.id, image.features) for image in waiting(shard, 9)] == [
        ("a", ("mood",)),
        ("b", ("caption", "mood", "tags")),
    ]
    applied(shard, [say("a", mood="calm")])
    assert said(shard, "a") == {"caption": CAPTION, "tags": [], "mood": "calm"}
    assert shard.ask(Verify()).problems == ()


def test_an_annotator_that_is_not_configured_leaves_what_it_said(annotated: Callable[..., Shard], shard: Shard) -> None:
    applied(shard, [put_said("a", {"caption": CAPTION}), put("b")])
    shard = annotated(annotations=["tags"])
    assert said(shard, "a") == {"caption": CAPTION}
    assert [(image.id, image.features) for image in waiting(shard, 9)] == [("a", ("tags",)), ("b", ("tags",))]
    applied(shard, [say("b", tags=["x"]), delete("c"), put("d")])
    shard = annotated()
    assert said(shard, "a") == {"caption": CAPTION}
    assert [(image.id, image.features) for image in waiting(shard, 9)] == [
        ("a", ("tags",)),
        ("b", ("caption",)),
        ("d", ("caption", "tags")),
    ]
    assert found_ids(shard, "d") == ["d"]
    assert [hit.id for hit in find(shard, "b", k=1)] == ["b"]
    assert shard.ask(Verify()).problems == ()

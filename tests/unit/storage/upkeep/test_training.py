"""Which indexes of a shard ask to be trained, and which cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from storage.errors import InvalidRequest, UnknownFeature
from storage.operations.indexes import Train
from storage.operations.models import AdoptModel, BeginModel, DropReplaced, SwitchModel
from storage.operations.reports import Stats, Verify
from storage.tables.schema import META
from storage.upkeep.factory import IndexConfig
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.samples import SPECS, applied, delete, inside, put
from tests.unit.storage.scenes import LOCAL, find_scene, put_scene, query, scene

SCENES = [scene(300 + number, count=40) for number in range(24)]
PUTS = [put_scene(f"s{number}", one) for number, one in enumerate(SCENES)]


def test_training_falls_due_with_the_rows_and_again_as_they_grow(reopen: Reopen) -> None:
    shard = reopen([*SPECS, LOCAL], index_configs={"local": IndexConfig(train_after_rows=200)})
    applied(shard, [put("hash", pending=["local"])])
    applied(shard, PUTS[:4])
    assert inside(shard).upkeep.training_due() == []
    applied(shard, PUTS[4:5])
    assert inside(shard).upkeep.training_due() == ["local"]
    shard.ask(Train("local"))
    assert inside(shard).upkeep.training_due() == []
    applied(shard, PUTS[5:19])
    assert inside(shard).upkeep.training_due() == []
    applied(shard, PUTS[19:20])
    assert inside(shard).upkeep.training_due() == ["local"]
    assert shard.ask(Train("local")).rows == 800
    assert inside(shard).upkeep.training_due() == []


def test_training_falls_due_when_much_was_removed(reopen: Reopen) -> None:
    full = reopen([LOCAL], index_configs={"local": IndexConfig(train_after_rows=500)})
    applied(full, PUTS)
    full.ask(Train("local"))
    applied(full, [delete(f"s{number}") for number in range(6)])
    assert inside(full).upkeep.training_due() == []
    applied(full, [delete("s6")])
    assert inside(full).upkeep.training_due() == ["local"]
    assert full.ask(Train("local")).rows == 17 * 40
    assert inside(full).upkeep.training_due() == []
    assert [hit.id for hit in find_scene(full, query(SCENES[7]))] == ["s7"]
    assert find_scene(full, query(SCENES[6])) == ()


def test_an_index_that_is_to_be_exact_is_neither_due_nor_trained(reopen: Reopen) -> None:
    shard = reopen([LOCAL], index_configs={"local": IndexConfig("exact", train_after_rows=10)})
    applied(shard, PUTS)
    assert inside(shard).upkeep.training_due() == []
    with pytest.raises(InvalidRequest, match="configured to be exact") as refusal:
        shard.ask(Train("local"))
    assert refusal.value.hint == "set indexes.local.kind: auto"


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("phash", InvalidRequest, "nothing to train"),
        ("tags", UnknownFeature, "no feature is called 'tags'"),
        ("local", InvalidRequest, "no rows to train on"),
    ],
)
def test_what_has_nothing_to_train_is_refused(
    reopen: Reopen, name: str, error: type[InvalidRequest], message: str
) -> None:
    shard = reopen([*SPECS, LOCAL])
    applied(shard, [put("a", pending=["local"])])
    with pytest.raises(error, match=message) as refusal:
        shard.ask(Train(name))
    assert refusal.value.hint


def test_of_a_late_feature_the_version_in_use_is_trained_under_its_name(reopen: Reopen) -> None:
    options: dict[str, Any] = {"late": ["local"], "index_configs": {"local": IndexConfig(train_after_rows=500)}}
    shard = reopen([], **options)
    shard.ask(AdoptModel(replace(LOCAL, fingerprint="points of old"), {}))
    shard.ask(AdoptModel(LOCAL, {}, replaces_empty=True))
    applied(shard, PUTS)
    assert inside(shard).upkeep.training_due() == ["local"]
    assert shard.ask(Train("local")).rows == 24 * 40
    assert inside(shard).upkeep.training_due() == []
    shard = reopen([], **options)
    assert shard.ask(Stats()).features["local"].index_kind == "inverted_file"
    assert [hit.id for hit in find_scene(shard, query(SCENES[7]))] == ["s7"]
    shard.ask(BeginModel(replace(LOCAL, fingerprint="points to come"), {}))
    assert inside(shard).upkeep.training_due() == []
    shard.ask(SwitchModel("local", "points to come"))
    shard.ask(DropReplaced("local"))
    with inside(shard).store.read() as transaction:
        assert [key for key in transaction.keys(META) if key.startswith(b"centroids:")] == []
    assert shard.ask(Verify()).problems == ()

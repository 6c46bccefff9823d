"""What all operations have in common, and that a new one needs no change in a shard, its actor or a port."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, asdict, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np
import pytest
from ray import cloudpickle

from storage.cluster.actor import ShardActor
from storage.duplicates.messages import NearQuestions
from storage.errors import InvalidField, InvalidRequest, LookalikeError, NotFound, StorageFailure, UnknownFeature
from storage.operations.duplicates import Near, Walk
from storage.operations.features import SampleRows, WhiteningOf
from storage.operations.indexes import Train, Whiten
from storage.operations.jobs import PutJob
from storage.operations.models import AdoptModel, BeginModel, DropReplaced, SwitchModel
from storage.operations.pictures import Page
from storage.operations.reports import Backup
from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation, ThreadGroup
from storage.shard.plan import ShardPlan, ShardSettings
from storage.shard.shard import Shard
from storage.types.jobs import JobRecord
from tests.twins.in_process import LocalShardPort
from tests.unit.storage.models import ONE
from tests.unit.storage.operations.examples import EXAMPLES, all_operations, full_shard
from tests.unit.storage.samples import SPECS, applied, put
from tests.unit.waiting import PATIENCE_S, wait_for

OPERATIONS = sorted(all_operations(), key=lambda kind: kind.__name__)
INCOMPARABLE = (Near,)  # its questions hold arrays
STRANGE = replace(ONE, name="tags")


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shard]:
    monkeypatch.chdir(tmp_path)  # where the backup goes
    opened = full_shard(tmp_path / "shard")
    yield opened
    opened.close()


def test_every_operation_has_an_example_here() -> None:
    assert EXAMPLES.keys() == set(OPERATIONS)


@pytest.mark.parametrize("kind", OPERATIONS)
def test_an_operation_is_a_frozen_dataclass_that_says_what_it_asks_and_on_which_threads(
    kind: type[Operation[Any]],
) -> None:
    assert is_dataclass(kind)
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        setattr(EXAMPLES[kind], [*(one.name for one in fields(kind)), "anything"][0], None)
    doc = kind.__dict__.get("__doc__")
    assert doc
    assert not doc.startswith(f"{kind.__name__}(")  # which is what a dataclass says of itself
    assert kind.group in get_args(ThreadGroup)
    assert not inspect.isabstract(kind)


@pytest.mark.parametrize("kind", OPERATIONS)
def test_an_operation_is_the_same_behind_a_process_boundary(kind: type[Operation[Any]]) -> None:
    operation = EXAMPLES[kind]
    for copy in (pickle.loads(pickle.dumps(operation)), pickle.loads(cloudpickle.dumps(operation))):
        np.testing.assert_equal(asdict(copy), asdict(operation))
        assert type(copy) is kind
        assert copy.group == operation.group
        assert copy == operation or kind in INCOMPARABLE


def test_an_open_shard_answers_every_operation(full: Shard) -> None:
    for operation in EXAMPLES.values():
        answer = full.ask(operation)
        pickle.loads(cloudpickle.dumps(answer))  # which travels back


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (Near(NearQuestions("tags", 2, 64, ())), UnknownFeature),
        (Walk("color", 2, -1, 9), InvalidRequest),
        (SampleRows("global", "net-9", 2), InvalidRequest),
        (WhiteningOf("tags", "net-1"), UnknownFeature),
        (Train("phash"), InvalidRequest),
        (Whiten("color", "color-1", None), InvalidRequest),
        (PutJob(JobRecord("", "index", "queued", 1.0, 1.0, {})), InvalidField),
        (AdoptModel(STRANGE, {}), UnknownFeature),
        (BeginModel(STRANGE, {}), UnknownFeature),
        (SwitchModel("global", "net-9"), InvalidRequest),
        (DropReplaced("tags"), UnknownFeature),
        (Backup("."), StorageFailure),
    ],
)
def test_what_a_shard_cannot_answer_it_refuses_with_an_error_of_ours(
    full: Shard, operation: Operation[Any], error: type[LookalikeError]
) -> None:
    with pytest.raises(error) as refusal:
        full.ask(operation)
    assert refusal.value.hint
    copy = pickle.loads(pickle.dumps(refusal.value))
    assert (type(copy), str(copy)) == (type(refusal.value), str(refusal.value))


# --- a new operation ---


@dataclass(frozen=True, slots=True)
class Titles(Operation[tuple[str, ...]]):
    """Titles of the pictures, by id. Raises `NotFound` where there is none."""

    group: ClassVar[ThreadGroup] = "upkeep"

    limit: int

    def run(self, shard: OpenShard) -> tuple[str, ...]:
        titles = tuple(record.metadata["title"] for record in Page(None, self.limit).run(shard))
        if not titles:
            raise NotFound("no titles", "index pictures first")
        return titles


@pytest.fixture
def actor(tmp_path: Path) -> Iterator[Any]:
    made: Any = ShardActor(ShardPlan(str(tmp_path / "shard"), 0, 1, ShardSettings(SPECS)))
    wait_for(lambda: made._shard is not None, "the shard is open")
    yield made
    made.close()


def test_a_new_operation_is_answered_by_a_shard(shard: Shard) -> None:
    with pytest.raises(NotFound, match="no titles"):
        shard.ask(Titles(9))
    applied(shard, [put("a"), put("b")])
    assert shard.ask(Titles(9)) == ("a", "b")


def test_a_new_operation_is_answered_by_an_actor_and_its_refusal_is_a_value(actor: Any) -> None:
    operation = pickle.loads(cloudpickle.dumps(Titles(9)))
    refusal = actor.ask(operation)
    assert isinstance(refusal, NotFound)
    assert refusal.hint == "index pictures first"
    applied(actor._shard, [put("a"), put("b")])
    assert actor.ask(operation) == ("a", "b")


def test_a_new_operation_is_answered_by_a_port(shard: Shard) -> None:
    port = LocalShardPort(0, shard)
    with pytest.raises(NotFound, match="no titles"):
        asyncio.run(port.ask(Titles(9), timeout_s=PATIENCE_S))
    applied(shard, [put("a"), put("b")])
    assert asyncio.run(port.ask(Titles(9), timeout_s=PATIENCE_S)) == ("a", "b")

"""A shard whose folder was opened once more writes nothing, whichever operation it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.errors import LostOwnership
from storage.kv.store import LmdbStore, WriteTransaction
from storage.operations.decisions import PutDecision, TakeBackDecision
from storage.operations.indexes import SaveIndexes, Train, TrainWhatIsDue, Whiten
from storage.operations.jobs import AddJobFailures, PutJob
from storage.operations.links import AddLinks, PutVerdicts
from storage.operations.models import AdoptModel, BeginModel, DropReplaced, SwitchModel
from storage.operations.pictures import Page
from storage.operations.roots import ForgetRoot, NoteScans, WatchRoot
from storage.operations.sources import LiftRemovals, MoveRemovals
from storage.operations.thresholds import PutThresholds
from storage.shard.operation import Operation
from storage.shard.shard import Shard
from storage.tables.registration import take_ownership
from storage.tables.schema import EPOCH, META, OWNER, TABLES, put_meta_number
from tests.unit.storage.operations.examples import EXAMPLES, full_shard
from tests.unit.storage.samples import inside, put

WRITERS: set[type[Operation[Any]]] = {
    Train, TrainWhatIsDue, Whiten, SaveIndexes, PutJob, AddJobFailures, AdoptModel, BeginModel, SwitchModel,
    DropReplaced, MoveRemovals, LiftRemovals, NoteScans, WatchRoot, ForgetRoot, AddLinks, PutVerdicts,
    PutDecision, TakeBackDecision, PutThresholds,
}  # fmt: skip


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shard]:
    monkeypatch.chdir(tmp_path)
    opened = full_shard(tmp_path / "shard")
    yield opened
    opened.close()


def later_opening(shard: Shard) -> None:
    take_ownership(inside(shard).store, 0, 1)


def only_the_epoch(shard: Shard) -> None:
    epoch = inside(shard).live.ownership.epoch
    inside(shard).store.write(lambda transaction: put_meta_number(transaction, EPOCH, epoch + 1))


def only_the_mark(shard: Shard) -> None:
    inside(shard).store.write(lambda transaction: transaction.put(META, OWNER, b"another!"))


TAKEN_OVER = pytest.mark.parametrize("take_over", [later_opening, only_the_epoch, only_the_mark])


def contents(shard: Shard, directory: Path) -> tuple[object, ...]:
    with inside(shard).store.read() as transaction:
        tables = {table: list(transaction.items(table)) for table in TABLES}
    return tables, sorted((directory / "shard" / "snapshots").rglob("*"))


@pytest.mark.parametrize("kind", sorted(WRITERS, key=str))
@TAKEN_OVER
def test_an_operation_that_writes_is_refused(
    full: Shard, tmp_path: Path, take_over: Callable[[Shard], None], kind: type[Operation[Any]]
) -> None:
    take_over(full)
    before, moment = contents(full, tmp_path), inside(full).moment
    with pytest.raises(LostOwnership, match="taken this shard over"):
        full.ask(EXAMPLES[kind])
    assert contents(full, tmp_path) == before
    assert inside(full).moment is moment


@TAKEN_OVER
def test_changes_are_refused(full: Shard, tmp_path: Path, take_over: Callable[[Shard], None]) -> None:
    take_over(full)
    before, moment = contents(full, tmp_path), inside(full).moment
    with pytest.raises(LostOwnership):
        full.apply([put("new", pending=["local", "global", "other"])])
    assert contents(full, tmp_path) == before
    assert inside(full).moment is moment
    assert [row.id for row in full.ask(Page(None, 9))] == ["a", "b", "s"]


def test_each_operation_that_writes_is_among_them_and_no_other(full: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[type[Operation[Any]]] = []
    wrote: set[type[Operation[Any]]] = set()
    write = LmdbStore.write

    def watched(store: LmdbStore, work: Callable[[WriteTransaction], object]) -> object:
        wrote.add(asked[-1])
        return write(store, work)

    monkeypatch.setattr(LmdbStore, "write", watched)
    for kind, operation in EXAMPLES.items():
        asked.append(kind)
        full.ask(operation)
    assert wrote == WRITERS

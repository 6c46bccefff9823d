"""Training a shard's index: the same answers as before, whatever is written meanwhile, and after every opening."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage.errors import StorageFailure
from storage.index.kmeans import lists_for, train_partition
from storage.operations.indexes import Train
from storage.operations.reports import Stats, Verify
from storage.shard.shard import Shard
from storage.types.searches import Hit
from storage.upkeep.factory import IndexConfig
from tests.unit.storage.conftest import Reopen
from tests.unit.storage.samples import applied, delete, inside
from tests.unit.storage.scenes import LOCAL, Scene, find_scene, mirrored, put_scene, query, scene, seen, similarity

CONFIGS = {"local": IndexConfig(train_after_rows=500)}
SCENES = [scene(300 + number, count=40) for number in range(24)]
VIEW = similarity(0.8, 0.5, (150, -60))


def fill_shard(shard: Shard, scenes: list[Scene]) -> None:
    applied(shard, [put_scene(f"s{number}", one, operation=f"first {number}") for number, one in enumerate(scenes)])


@pytest.fixture
def full(reopen: Reopen) -> Shard:
    shard = reopen([LOCAL], index_configs=CONFIGS)
    fill_shard(shard, SCENES)
    return shard


def answers(shard: Shard) -> list[tuple[Hit, ...]]:
    """What is found by views of pictures, by mirrored ones, and by a stranger."""
    views = [seen(one, VIEW, seed=number) for number, one in enumerate(SCENES[:6])]
    return [find_scene(shard, query(one)) for one in [*views, *map(mirrored, views[:2]), scene(999)]]


def kind(shard: Shard) -> str:
    return shard.ask(Stats()).features["local"].index_kind


def test_a_trained_index_gives_the_answers_of_the_exact_one(full: Shard) -> None:
    before = answers(full)
    assert [[hit.id for hit in hits] for hits in before[:6]] == [[f"s{number}"] for number in range(6)]
    report = full.ask(Train("local"))
    assert (report.shard, report.feature, report.rows, report.lists) == (0, "local", 24 * 40, lists_for(24 * 40))
    assert kind(full) == "inverted_file"
    assert answers(full) == before
    assert full.ask(Verify()).problems == ()


def test_a_trained_index_takes_in_what_is_written_afterwards(full: Shard) -> None:
    full.ask(Train("local"))
    applied(full, [delete("s3"), put_scene("s4", scene(400), operation="again", on_conflict="replace")])
    applied(full, [put_scene("new", SCENES[3], operation="new")])
    assert [hit.id for hit in find_scene(full, query(SCENES[3]))] == ["new"]
    assert [hit.id for hit in find_scene(full, query(scene(400)))] == ["s4"]
    assert find_scene(full, query(SCENES[4])) == ()
    assert full.ask(Verify()).problems == ()
    assert kind(full) == "inverted_file"


def changes(shard: Shard, name: str) -> None:
    applied(shard, [delete("s3", f"delete {name}"), put_scene("s4", scene(400), operation=name, on_conflict="replace")])
    applied(shard, [put_scene(f"new {name}", SCENES[3], operation=f"new {name}")])
    applied(shard, [put_scene("gone", scene(401), operation=f"come {name}"), delete("gone", f"go {name}")])


def assert_changed(shard: Shard, name: str) -> None:
    assert [hit.id for hit in find_scene(shard, query(SCENES[3]))] == [f"new {name}"]
    assert [hit.id for hit in find_scene(shard, query(scene(400)))] == ["s4"]
    assert find_scene(shard, query(SCENES[4])) == ()
    assert find_scene(shard, query(scene(401))) == ()
    assert shard.ask(Verify()).problems == ()
    assert kind(shard) == "inverted_file"


class WritesFirst:
    """A lock before which something else is written the first time that it is asked for."""

    def __init__(self, lock: Any, write: Callable[[], None]) -> None:
        self._lock = lock
        self._writes = [write]

    def __enter__(self) -> None:
        while self._writes:
            self._writes.pop()()
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


def test_what_is_written_while_centroids_are_made_is_not_lost(full: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(index: Any) -> Any:
        changes(full, "meanwhile")
        return train_partition(index)

    monkeypatch.setattr("storage.upkeep.rebuilding.train_partition", slow)
    full.ask(Train("local"))
    assert_changed(full, "meanwhile")


def test_what_is_written_just_before_the_index_is_published_is_not_lost(full: Shard) -> None:
    live = inside(full).live
    object.__setattr__(live, "write_lock", WritesFirst(live.write_lock, lambda: changes(full, "late")))
    full.ask(Train("local"))
    assert_changed(full, "late")


def test_searches_and_writes_go_on_while_an_index_is_trained(full: Shard) -> None:
    done, wrong = threading.Event(), list[object]()

    def write() -> None:
        for number in range(30):
            applied(full, [put_scene("s5", SCENES[5], operation=f"again {number}", on_conflict="replace")])
        done.set()

    def search() -> None:
        while not done.is_set():
            for number in (5, 6):
                hits = find_scene(full, query(SCENES[number]))
                if [hit.id for hit in hits] != [f"s{number}"]:
                    wrong.append(hits)

    threads = [threading.Thread(target=work) for work in (write, search)]
    for thread in threads:
        thread.start()
    trainings = 0
    while not done.is_set() or not trainings:
        full.ask(Train("local"))
        trainings += 1
    for thread in threads:
        thread.join()
    assert wrong == []
    assert full.ask(Verify()).problems == ()


def test_closing_does_not_wait_for_a_training(
    reopen: Reopen, full: Shard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, closed = threading.Event(), threading.Event()
    failures: list[StorageFailure] = []

    def slow(index: Any) -> Any:
        training.set()
        assert closed.wait(30)
        return train_partition(index)

    def train() -> None:
        try:
            full.ask(Train("local"))
        except StorageFailure as failure:
            failures.append(failure)

    monkeypatch.setattr("storage.upkeep.rebuilding.train_partition", slow)
    monkeypatch.setattr("storage.upkeep.rebuilding.CLOSING_PATIENCE_S", 0.01)
    thread = threading.Thread(target=train)
    thread.start()
    assert training.wait(30)
    full.close()
    closed.set()
    thread.join()
    assert len(failures) == 1
    assert not (tmp_path / "shard" / "snapshots").exists()
    shard = reopen([LOCAL], index_configs=CONFIGS)
    assert kind(shard) == "exact"
    assert shard.ask(Verify()).problems == ()

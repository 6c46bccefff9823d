"""Reading the files of a job: of copies that are read at the same time one is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graph.jobs.indexing.pictures import PictureReader, ReadPicture
from graph.jobs.indexing.plan import IndexPlan
from graph.jobs.indexing.worker_parts import load_parts
from graph.jobs.running.progress import FileOutcome
from storage.errors import ShardUnavailable
from tests.unit.graph.jobs.indexing.test_worker import EXTRACTORS, OneShard, files
from tests.unit.graph.local_catalog import photo
from tests.unit.storage.samples import open_shard


@pytest.fixture
def reader(tmp_path: Path) -> PictureReader:
    plan = IndexPlan("job-1", 1, EXTRACTORS, 10**8, "replace")
    shard = OneShard(open_shard(tmp_path / "shard", []))
    return PictureReader(plan, load_parts(EXTRACTORS, {}, lambda spec, origin: None), shard)


def copies(folder: Path) -> list[Any]:
    return [(None, source) for _, source in files(folder, {"a.jpg": photo(1), "b.jpg": photo(1)})]


def test_a_copy_that_leaves_while_the_shard_is_asked_is_not_taken_twice(
    reader: PictureReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = copies(tmp_path / "in")
    [taken] = reader.read_each([first])
    assert isinstance(taken, ReadPicture)

    def holds(shard: int, image_id: str, sha256: str) -> bool:
        reader.release([taken])  # it is written right after the shard has answered
        return False

    monkeypatch.setattr(reader._shards, "holds", holds)
    assert reader.read_each([second]) == [FileOutcome(second[1].path, "unchanged")]


def test_a_file_that_fails_keeps_no_copy_of_it_away(
    reader: PictureReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def holds(shard: int, image_id: str, sha256: str) -> bool:
        raise ShardUnavailable("restarting")

    first, second = copies(tmp_path / "in")
    with monkeypatch.context() as patched:
        patched.setattr(reader._shards, "holds", holds)
        [failed] = reader.read_each([first])
    assert isinstance(failed, FileOutcome)
    assert failed.outcome == "failed"
    [taken] = reader.read_each([second])
    assert isinstance(taken, ReadPicture)

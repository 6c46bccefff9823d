from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.graph.jobs.importing.target import Target
from tests.unit.graph.jobs.indexed_folder import IndexedFolder
from tests.unit.graph.jobs.model_collection import Collection


@pytest.fixture
def collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collection]:
    monkeypatch.setattr("graph.jobs.backfill.settle", lambda: None)
    made = Collection(tmp_path)
    yield made
    made.fleet.close()


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    monkeypatch.setattr("graph.jobs.import_ambience.settle", lambda: None)
    made = Target(tmp_path)
    yield made
    made.fleet.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[IndexedFolder]:
    monkeypatch.setattr("graph.jobs.index.settle", lambda: None)
    monkeypatch.setattr("graph.jobs.index.cluster_cpus", lambda: 0.0)
    made = IndexedFolder(tmp_path / "photos", tmp_path / "data")
    yield made
    made.close()

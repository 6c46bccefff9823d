"""The name of a shard's actor changes with the code that it runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import lookalike_client.errors
import storage
from storage.cluster.fleet import fleet_version
from storage.cluster.plan import FleetPlan
from storage.shard.plan import ShardSettings
from tests.unit.storage.samples import SPECS


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of the storage code."""
    return Path(shutil.copytree(Path(storage.__file__).parent, tmp_path / "storage"))


@pytest.fixture
def plan(tmp_path: Path) -> FleetPlan:
    return FleetPlan(data_dir=str(tmp_path / "data"), shard_count=1, settings=ShardSettings(SPECS))


def test_the_same_code_has_the_same_version_wherever_it_lies(code: Path, plan: FleetPlan) -> None:
    assert fleet_version(plan, code) == fleet_version(plan)


@pytest.mark.parametrize("changed", ["compiled.py", "kv/store.py", "shard/mutations.py", "types/searches.py"])
def test_a_change_in_any_room_changes_the_version(code: Path, plan: FleetPlan, changed: str) -> None:
    before = fleet_version(plan, code)
    with (code / changed).open("a") as file:
        file.write("# another line\n")
    assert fleet_version(plan, code) != before


def test_a_change_of_the_errors_changes_the_version(
    code: Path, plan: FleetPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fleet_version(plan)
    monkeypatch.setattr(lookalike_client.errors, "__file__", str(code / "compiled.py"))
    assert fleet_version(plan) != before


def test_a_file_that_moves_to_another_room_changes_the_version(code: Path, plan: FleetPlan) -> None:
    before = fleet_version(plan, code)
    (code / "compiled.py").rename(code / "kv" / "compiled.py")
    assert fleet_version(plan, code) != before

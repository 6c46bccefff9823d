"""The name of a shard's actor changes with the code that it runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import lookalike_client.errors
import storage
from storage.cluster.fleet import ShardFleet, fleet_version
from storage.cluster.plan import FleetPlan
from storage.errors import ShardBroken, ShardUnavailable
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


def fleet_that_says(plan: FleetPlan, patched: pytest.MonkeyPatch, answer: Any, *, answers: bool = True) -> ShardFleet:
    """Its one actor gives this answer to every question, or none yet."""
    fleet = ShardFleet(plan)
    ask = SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda _: answer))
    patched.setattr(fleet, "handle", lambda _: SimpleNamespace(ask=ask))
    patched.setattr("storage.cluster.fleet.ray.wait", lambda asked, **_: (asked if answers else [], []))
    patched.setattr("storage.cluster.fleet.ray.get", lambda reference: reference)
    return fleet


def test_a_shard_that_cannot_be_opened_is_found_out(plan: FleetPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = ShardBroken("shard 0 cannot be opened: no store", "index anew")
    with pytest.raises(ShardBroken, match="no store"):
        fleet_that_says(plan, monkeypatch, broken).check_opening()
    fleet_that_says(plan, monkeypatch, broken, answers=False).check_opening()


@pytest.mark.parametrize("answer", ["an address", ShardUnavailable("shard 0 is opening", "try again in a second")])
def test_a_shard_that_is_open_or_still_opens_is_left_alone(
    plan: FleetPlan, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    fleet_that_says(plan, monkeypatch, answer).check_opening()

"""Which photographs show one scene, and the halves for fitting and testing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks import photo_groups
from benchmarks.photo_groups import SAME_SCENE, half, judged_pairs, photographs

needs_shared = pytest.mark.skipif(not photo_groups.SCENES.is_dir(), reason="needs the photographs in ../shared")


def test_without_the_shared_photographs_those_of_the_packages_are_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(photo_groups, "BESIDE", tmp_path / "photos")
    monkeypatch.setattr(photo_groups, "SCENES", tmp_path / "scenes")
    assert {photograph.kind for photograph in photographs()} == {"skimage", "sklearn"}
    assert judged_pairs() == []


def test_both_shots_of_the_motorcycle_are_one_group() -> None:
    groups = {photograph.path.stem: photograph.group for photograph in photographs()}
    assert groups["motorcycle_left"] == groups["motorcycle_right"] != groups["coffee"]


def test_both_halves_get_about_half_of_the_groups() -> None:
    halves = Counter(half(f"group {number}") for number in range(1000))
    assert set(halves) == {"fit", "test"}
    assert abs(halves["fit"] - 500) < 60


@needs_shared
def test_there_are_enough_photographs_and_every_file_of_one_has_its_group() -> None:
    found = photographs()
    assert len({photograph.path for photograph in found}) == len(found)
    assert sum(photograph.kind not in ("edits", "modes", "orientation") for photograph in found) >= 560
    bridge = {photograph.kind for photograph in found if photograph.group == "bridge"}
    assert bridge == {"edits", "modes"}
    assert sum(photograph.kind == "scenes" for photograph in found) > 80


@needs_shared
def test_every_named_photograph_exists() -> None:
    lines = [line.split() for line in SAME_SCENE.read_text("utf-8").splitlines() if not line.startswith("#")]
    names = [name for line in lines for name in line]
    assert len(set(names)) == len(names)
    assert all(
        (photo_groups.SCENES.parent / "photos" / name).exists() for name in names if not name.startswith("skimage/")
    )


@needs_shared
def test_judged_pairs_are_of_one_scene_each_and_of_many_scenes() -> None:
    pairs = judged_pairs()
    assert len(pairs) >= 40
    assert len({frozenset(pair) for pair in pairs}) == len(pairs)
    assert all(one.parent == other.parent and one != other for one, other in pairs)
    assert len({one.parent for one, _ in pairs}) >= 10

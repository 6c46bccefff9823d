"""Folders in filters: a link that a person knows stands for the real folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.cli.terminal.filters import with_real_paths

HERE, ELSEWHERE = "http://127.0.0.1:8000", "http://photos:8000"


@pytest.fixture
def link(tmp_path: Path) -> Path:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    return tmp_path / "link"


def test_links_in_folders_and_paths_are_followed(link: Path) -> None:
    real = link.with_name("real")
    given = f'width > 3 and not (folder = "{link}/a" or path in ["{link}/x.jpg"])'
    expected = f"width > 3 and not (folder = {real}/a or path in [{real}/x.jpg])"
    assert with_real_paths(given, HERE) == expected


def test_the_home_folder_is_known(link: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(link))
    assert with_real_paths('folder = "~/2019"', HERE) == f"folder = {link.with_name('real')}/2019"


@pytest.mark.parametrize(
    "text", ['folder = "2019"', 'folder = "a/link"', "widht = 3", "folder =", '{"field": "width"}', 'folder ~ "/link"']
)
def test_all_else_stays_as_it_was_written(text: str) -> None:
    assert with_real_paths(text, HERE) == text
    assert with_real_paths(None, HERE) is None


def test_links_of_another_machine_are_not_ours(link: Path) -> None:
    assert with_real_paths(f'folder = "{link}"', ELSEWHERE) == f'folder = "{link}"'

"""The sets that a judgement is fitted and tested with: small ones, of the few photographs in the packages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import judgement_sets, photo_groups
from benchmarks.hard_pictures import KINDS
from benchmarks.judgement_sets import Question, duplicates, edits, hard, questions, strangers


@pytest.fixture(autouse=True)
def few_photographs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(photo_groups, "BESIDE", tmp_path / "none" / "photos")
    monkeypatch.setattr(photo_groups, "SCENES", tmp_path / "none" / "scenes")
    monkeypatch.setattr(judgement_sets, "LONG_SIDE", 160)
    monkeypatch.setattr(judgement_sets, "SMALLEST", 100)


def check(folder: Path, asked: list[Question]) -> None:
    """Every file is there and can be read, and halves do not answer each other."""
    for question in asked:
        with Image.open(folder / question.query) as picture:
            picture.load()
        for name in [*question.right, *question.leave_out]:
            assert (folder / "stored" / name).exists()
            assert name.startswith(question.half)
        assert not set(question.right) & set(question.leave_out)


def test_edits_are_asked_for_among_others(tmp_path: Path) -> None:
    edits(tmp_path / "a", originals=6, others=4, edits_each=9, seed=3)
    asked = questions(tmp_path / "a")
    check(tmp_path / "a", asked)
    assert len(asked) == 6 * 9
    assert len({question.what for question in asked}) > 40
    overlaps = [question for question in asked if question.what == "overlap"]
    assert all(list(question.right.values()) == [["overlap"]] for question in overlaps)
    assert len(list((tmp_path / "a" / "stored").iterdir())) > 6 + len(overlaps)


def test_the_same_set_comes_out_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        edits(tmp_path / name, originals=2, others=4, edits_each=2)
    files = [
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("a", "b")
    ]
    assert files[0] == files[1]


def test_a_stranger_is_asked_for_without_its_group(tmp_path: Path) -> None:
    strangers(tmp_path / "s", crops=5)
    asked = questions(tmp_path / "s")
    check(tmp_path / "s", asked)
    assert sum(question.what == "crop" for question in asked) == 5
    assert not any(question.right for question in asked)
    motorcycle = next(question for question in asked if "motorcycle_left" in question.query)
    assert len(motorcycle.leave_out) == 2


def test_of_hard_pictures_only_posters_have_right_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {kind: KINDS[kind] for kind in ("line_drawing", "template")}
    monkeypatch.setattr("benchmarks.judgement_sets.KINDS", kinds)
    hard(tmp_path / "h", count=2)
    asked = questions(tmp_path / "h")
    check(tmp_path / "h", asked)
    assert [bool(question.right) for question in asked] == [question.what == "template" for question in asked]


def test_copies_among_photographs_have_the_photograph_as_their_answer(tmp_path: Path) -> None:
    duplicates(tmp_path / "d", copies=4)
    asked = questions(tmp_path / "d")
    check(tmp_path / "d", asked)
    assert all(len(question.right) == 1 for question in asked)


@pytest.mark.parametrize("size", [(640, 480), (1501, 1003)])
def test_pieces_of_one_photograph_do_not_overlap(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pixel says where it is: red counts columns, green rows."""
    monkeypatch.setattr(judgement_sets, "LONG_SIDE", 1600)
    columns, rows = (np.arange(side) * 255 // side for side in size)
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = columns[None, :], rows[:, None]
    boxes = set()
    for piece in judgement_sets._pieces(Image.fromarray(pixels)):
        seen = np.asarray(piece)
        boxes.add(tuple(int(value) for value in (*seen[0, 0, :2], *seen[-1, -1, :2])))
    assert len(boxes) == (9 if min(size) >= 1000 else 4)
    for one in boxes:
        for other in boxes - {one}:
            assert any(one[axis + 2] < other[axis] or other[axis + 2] < one[axis] for axis in (0, 1))

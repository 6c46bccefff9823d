"""Which files a batch job takes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from graph.jobs.scanning.listing import EXAMPLES, list_images
from storage.errors import InvalidField
from tests.unit.graph.local_catalog import photo


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def names(*paths: Path) -> list[str]:
    return [file.name for file in list_images([str(path) for path in paths]).files]


def test_pictures_are_taken_in_the_order_of_names_and_other_files_are_left(tmp_path: Path) -> None:
    touch(tmp_path, "b.JPG", "a/c.png", "notes.txt", "a/H_1_2", "z.webp")
    assert names(tmp_path) == ["b.JPG", "z.webp", "a/c.png"]


def test_hidden_files_and_folders_are_left_out_and_said(tmp_path: Path) -> None:
    touch(tmp_path, ".thumbs/a.jpg", "._b.jpg", "c.jpg")
    assert names(tmp_path) == ["c.jpg"]
    left_out = list_images([str(tmp_path)]).left_out
    assert (left_out.hidden_files, left_out.hidden_folders) == (1, [str(tmp_path / ".thumbs")])


def test_what_is_no_picture_is_counted_by_its_ending(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "b/c.MP4", "d.psd", "README", "e.jpg")
    assert list_images([str(tmp_path)]).left_out.passed_over == {".mp4": 2, ".psd": 1, "": 1}


def test_a_file_without_an_ending_is_taken_for_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "IMG_0001").write_bytes(photo(1))
    os.mkfifo(tmp_path / "pipe")
    assert names(tmp_path) == ["IMG_0001"]


@pytest.mark.parametrize("installed", [True, False])
def test_raw_files_are_taken_where_they_can_be_read(
    tmp_path: Path, installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph.jobs.scanning.listing.reads_raw", lambda: installed)
    touch(tmp_path, "a.CR2", "b.dng", "c.jpg", "d.txt")
    told = list_images([str(tmp_path)]).left_out.as_json()
    assert names(tmp_path) == (["a.CR2", "b.dng", "c.jpg"] if installed else ["c.jpg"])
    install = "pip install 'lookalike[raw]'"
    assert told["remedies"] == ({} if installed else {".cr2": install, ".dng": install})


def test_links_to_folders_are_said_and_links_to_files_are_followed(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/a.jpg", "in/b.jpg")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "c.jpg").symlink_to(tmp_path / "elsewhere" / "a.jpg")
    listing = list_images([str(tmp_path / "in")])
    assert [file.name for file in listing.files] == ["b.jpg", "c.jpg"]
    assert listing.left_out.linked_folders == [str(tmp_path / "in" / "linked")]


def test_a_file_goes_before_a_link_to_it_that_was_found_first(tmp_path: Path) -> None:
    touch(tmp_path, "photos/trip/a.jpg", "photos/edits/x.jpg")
    (tmp_path / "photos/edits/link.jpg").symlink_to(tmp_path / "photos/trip/a.jpg")
    listing = list_images([str(tmp_path / "photos"), str(tmp_path / "photos/trip")])
    assert sorted(file.name for file in listing.files) == ["edits/x.jpg", "trip/a.jpg"]
    assert listing.left_out.linked_files == 1


def test_the_record_of_a_job_has_counts_and_a_few_folders(tmp_path: Path) -> None:
    touch(tmp_path, "a.psd", *(f".{number:02d}/x.jpg" for number in range(EXAMPLES + 5)))
    told = list_images([str(tmp_path)]).left_out.as_json()
    assert told["passed_over"] == {".psd": 1}
    assert told["hidden_folders"]["count"] == EXAMPLES + 5
    assert len(told["hidden_folders"]["examples"]) == EXAMPLES
    assert json.loads(json.dumps(told)) == told


def test_the_record_of_a_job_stays_small_however_many_endings_there_are(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "b.mp4", *(f"part.{number:05d}" for number in range(100)))
    told = list_images([str(tmp_path)]).left_out.as_json()
    assert len(told["passed_over"]) == EXAMPLES
    assert told["passed_over"][".mp4"] == 2
    assert told["passed_over_others"] == 100 - (EXAMPLES - 1)


def test_a_folder_that_is_reached_twice_is_counted_once(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.txt", "a/.h/y.jpg", "a/b.jpg")
    for paths in ([tmp_path, tmp_path / "a"], [tmp_path / "a", tmp_path]):
        listing = list_images([str(path) for path in paths])
        assert [file.source.path for file in listing.files] == [str(tmp_path / "a" / "b.jpg")]
        assert listing.left_out.passed_over == {".txt": 1}
        assert listing.left_out.hidden_folders == [str(tmp_path / "a" / ".h")]


def test_a_file_that_is_named_is_taken_whatever_its_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "photo.unknown")
    assert names(tmp_path / "photo.unknown") == ["photo.unknown"]


def test_a_file_reached_twice_is_taken_once(tmp_path: Path) -> None:
    touch(tmp_path, "x.jpg")
    listing = list_images([str(tmp_path), str(tmp_path / "x.jpg")])
    assert len(listing.files) == 1
    assert listing.failures == ()


def test_a_missing_path_is_a_failure(tmp_path: Path) -> None:
    listing = list_images([str(tmp_path / "nothing")])
    assert [failure.code for failure in listing.failures] == ["not_found"]


def test_what_is_excluded_is_left_and_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "raw/b.jpg", "out/c.jpg", "out/keep.jpg", "d_small.jpg", "deep/d_small.jpg", "deep/e.jpg")
    (tmp_path / ".lookalikeignore").write_text("# exports\nout/*\n!out/keep.jpg\n")
    (tmp_path / "deep" / ".lookalikeignore").write_text("e.jpg\n")
    listing = list_images([str(tmp_path)], ["*_small.jpg", "raw/"])
    assert [file.name for file in listing.files] == ["a.jpg", "out/keep.jpg"]
    assert listing.left_out.excluded == 5


def test_a_wrong_pattern_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match="exclude"):
        list_images([str(tmp_path)], ["!"])


def test_a_file_is_at_its_real_path_whatever_it_is_reached_through(tmp_path: Path) -> None:
    touch(tmp_path, "real/a.jpg")
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    for asked in ("alias", "alias/a.jpg"):
        [file] = list_images([str(tmp_path / asked)]).files
        assert (file.source.path, file.name) == (str(tmp_path / "real" / "a.jpg"), "a.jpg")


def test_only_what_has_changed_is_listed(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", "in/c.jpg", "in/deep/d.jpg", "in/.hidden/e.jpg", "other/f.jpg")
    changed = frozenset(str(tmp_path / name) for name in ("b.jpg", "in/deep", "in/.hidden/e.jpg", "gone.jpg"))
    listing = list_images([str(tmp_path)], only=changed)
    assert [file.name for file in listing.files] == ["b.jpg", "in/deep/d.jpg"]
    assert listing.failures == ()


def test_what_is_no_ordinary_file_is_a_failure_and_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    touch(tmp_path, "a.jpg")
    listing = list_images([str(tmp_path)])
    assert [file.name for file in listing.files] == ["a.jpg"]
    [failure] = listing.failures
    assert failure.path == str(tmp_path / "pipe.jpg")
    assert "it is no ordinary file" in failure.reason
    assert list_images(["/dev/null"]).failures[0].reason == "neither a file nor a folder"


def test_no_link_leads_out_of_the_roots(tmp_path: Path) -> None:
    for place in ("in", "out"):
        (tmp_path / place).mkdir()
        (tmp_path / place / f"{place}.jpg").touch()
    (tmp_path / "in" / "link.jpg").symlink_to(tmp_path / "out" / "out.jpg")
    (tmp_path / "in" / "inside.jpg").symlink_to(tmp_path / "in" / "in.jpg")
    listing = list_images([str(tmp_path / "in"), str(tmp_path / "out")], roots=[tmp_path / "in"])
    assert [file.name for file in listing.files] == ["in.jpg"]
    assert [Path(failure.path).name for failure in listing.failures] == ["link.jpg", "out.jpg"]
    assert {failure.code for failure in listing.failures} == {"forbidden"}

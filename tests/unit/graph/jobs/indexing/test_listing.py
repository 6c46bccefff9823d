"""Which files a batch job takes, and under which ids."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from graph.jobs.indexing.listing import EXAMPLES, list_images
from tests.unit.graph.local_catalog import photo


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def ids(paths: list[Path], id_from: str = "path") -> list[str | None]:
    return [file.id for file in list_images([str(path) for path in paths], id_from).files]


def test_pictures_are_taken_in_the_order_of_names_and_other_files_are_left(tmp_path: Path) -> None:
    touch(tmp_path, "b.JPG", "a/c.png", "notes.txt", "a/H_1_2", "z.webp")
    assert ids([tmp_path]) == ["b.JPG", "z.webp", "a/c.png"]


def test_hidden_files_and_folders_are_left_out_and_said(tmp_path: Path) -> None:
    touch(tmp_path, ".thumbs/a.jpg", "._b.jpg", "c.jpg")
    assert ids([tmp_path]) == ["c.jpg"]
    left_out = list_images([str(tmp_path)], "path").left_out
    assert (left_out.hidden_files, left_out.hidden_folders) == (1, [str(tmp_path / ".thumbs")])


def test_what_is_no_picture_is_counted_by_its_ending(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "b/c.MP4", "d.psd", "README", "e.jpg")
    assert list_images([str(tmp_path)], "path").left_out.passed_over == {".mp4": 2, ".psd": 1, "": 1}


def test_a_file_without_an_ending_is_taken_for_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "IMG_0001").write_bytes(photo(1))
    os.mkfifo(tmp_path / "pipe")
    assert ids([tmp_path]) == ["IMG_0001"]


@pytest.mark.parametrize("installed", [True, False])
def test_raw_files_are_taken_where_they_can_be_read(
    tmp_path: Path, installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph.jobs.indexing.listing.reads_raw", lambda: installed)
    touch(tmp_path, "a.CR2", "b.dng", "c.jpg", "d.txt")
    told = list_images([str(tmp_path)], "path").left_out.as_json()
    assert ids([tmp_path]) == (["a.CR2", "b.dng", "c.jpg"] if installed else ["c.jpg"])
    install = "pip install 'lookalike[raw]'"
    assert told["remedies"] == ({} if installed else {".cr2": install, ".dng": install})


def test_links_to_folders_are_said_and_links_to_files_are_followed(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/a.jpg", "in/b.jpg")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "c.jpg").symlink_to(tmp_path / "elsewhere" / "a.jpg")
    listing = list_images([str(tmp_path / "in")], "path")
    assert [file.id for file in listing.files] == ["b.jpg", "c.jpg"]
    assert listing.left_out.linked_folders == [str(tmp_path / "in" / "linked")]


def test_the_record_of_a_job_has_counts_and_a_few_folders(tmp_path: Path) -> None:
    touch(tmp_path, "a.psd", *(f".{number:02d}/x.jpg" for number in range(EXAMPLES + 5)))
    told = list_images([str(tmp_path)], "path").left_out.as_json()
    assert told["passed_over"] == {".psd": 1}
    assert told["hidden_folders"]["count"] == EXAMPLES + 5
    assert len(told["hidden_folders"]["examples"]) == EXAMPLES
    assert json.loads(json.dumps(told)) == told


def test_the_record_of_a_job_stays_small_however_many_endings_there_are(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "b.mp4", *(f"part.{number:05d}" for number in range(100)))
    told = list_images([str(tmp_path)], "path").left_out.as_json()
    assert len(told["passed_over"]) == EXAMPLES
    assert told["passed_over"][".mp4"] == 2
    assert told["passed_over_others"] == 100 - (EXAMPLES - 1)


def test_a_folder_that_is_reached_twice_is_counted_once(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.txt", "a/.h/y.jpg", "a/b.jpg")
    for paths in ([tmp_path, tmp_path / "a"], [tmp_path / "a", tmp_path]):
        listing = list_images([str(path) for path in paths], "path")
        assert [file.source.path for file in listing.files] == [str(tmp_path / "a" / "b.jpg")]
        assert listing.left_out.passed_over == {".txt": 1}
        assert listing.left_out.hidden_folders == [str(tmp_path / "a" / ".h")]


def test_a_file_that_is_named_is_taken_whatever_its_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "photo.unknown")
    assert ids([tmp_path / "photo.unknown"]) == ["photo.unknown"]


def test_ids_come_from_the_stem_or_the_number_before_the_first_dot(tmp_path: Path) -> None:
    touch(tmp_path, "0012.small.jpg")
    assert ids([tmp_path], "stem") == ["0012.small"]
    assert ids([tmp_path], "int") == ["12"]


def test_ids_from_contents_are_left_to_the_worker(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    assert ids([tmp_path], "sha256") == [None]


def test_a_name_without_a_number_is_a_failure_that_names_the_remedy(tmp_path: Path) -> None:
    touch(tmp_path, "7.jpg", "cat.jpg")
    listing = list_images([str(tmp_path)], "int")
    assert [file.id for file in listing.files] == ["7"]
    [failure] = listing.failures
    assert failure.path.endswith("cat.jpg")
    assert "--id-from" in failure.reason


def test_two_files_of_one_id_are_a_failure_of_the_second(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.jpg", "b/x.jpg")
    listing = list_images([str(tmp_path / "a"), str(tmp_path / "b")], "path")
    assert [file.source.path for file in listing.files] == [str(tmp_path / "a/x.jpg")]
    assert [failure.path for failure in listing.failures] == [str(tmp_path / "b/x.jpg")]


def test_a_file_reached_twice_is_taken_once(tmp_path: Path) -> None:
    touch(tmp_path, "x.jpg")
    listing = list_images([str(tmp_path), str(tmp_path / "x.jpg")], "path")
    assert len(listing.files) == 1
    assert listing.failures == ()


def test_a_missing_path_is_a_failure(tmp_path: Path) -> None:
    listing = list_images([str(tmp_path / "nothing")], "path")
    assert [failure.code for failure in listing.failures] == ["not_found"]


def test_a_name_too_long_for_an_id_is_a_failure(tmp_path: Path) -> None:
    long = "/".join(["d" * 100] * 3) + "/x.jpg"
    touch(tmp_path, long)
    listing = list_images([str(tmp_path)], "path")
    assert listing.files == ()
    assert [failure.code for failure in listing.failures] == ["invalid_field"]


def test_a_name_that_is_not_utf8_is_a_failure(tmp_path: Path) -> None:
    (Path(str(tmp_path)) / b"\xff.jpg".decode(errors="surrogateescape")).write_bytes(b"x")
    listing = list_images([str(tmp_path)], "path")
    assert listing.files == ()
    assert [failure.code for failure in listing.failures] == ["invalid_field"]

"""Ids of files that are new to the collection."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePath

import pytest

from graph.jobs.scanning.ids import ids_of_new
from graph.jobs.scanning.listing import ListedFile
from storage.types.jobs import JobFailure
from storage.types.library import IdHolder
from storage.types.pictures import SourceFile


def listed(folder: str, *names: str) -> list[ListedFile]:
    return [ListedFile(SourceFile(f"{folder}/{name}", 1, 1), folder, name, False) for name in names]


def chosen(
    files: Sequence[ListedFile], held: dict[str, IdHolder] | None = None, id_from: str = "path"
) -> tuple[list[str | None], list[JobFailure]]:
    there = held or {}
    new, failures = ids_of_new(files, id_from, lambda ids: {one: there[one] for one in ids if one in there}, {})
    assert [one.file for one in new] == [one for one in files if one in [each.file for each in new]]
    return [one.id for one in new], failures


def test_an_id_is_the_name_below_the_folder() -> None:
    assert chosen(listed("/photos", "a.jpg", "2019/b.jpg")) == (["a.jpg", "2019/b.jpg"], [])


def test_names_of_parent_folders_are_put_before_a_taken_one_until_it_is_free() -> None:
    other = IdHolder("/elsewhere/x.jpg")
    held = {"a.jpg": other, "2019/a.jpg": other}
    assert chosen(listed("/photos/trips/2019", "a.jpg"), held) == (["trips/2019/a.jpg"], [])


def test_where_all_names_are_taken_a_number_makes_another_one() -> None:
    other = IdHolder("/elsewhere/x.jpg")
    held = dict.fromkeys(("a.jpg", "photos/a.jpg", "a (2).jpg"), other)
    assert chosen(listed("/photos", "a.jpg"), held) == (["a (3).jpg"], [])


def test_files_of_one_command_never_share_an_id() -> None:
    files = [*listed("/trips/2019", "a.jpg"), *listed("/trips/2020", "a.jpg"), *listed("/old/2020", "a.jpg")]
    assert chosen(files) == (["a.jpg", "2020/a.jpg", "old/2020/a.jpg"], [])


def test_a_file_that_was_kept_out_gets_its_id_again() -> None:
    [file] = listed("/photos", "a.jpg")
    held, former = {"b.jpg": IdHolder(file.source.path)}, {file.source.path: "b.jpg"}
    new, _ = ids_of_new([file], "path", lambda ids: {one: held[one] for one in ids if one in held}, former)
    assert [one.id for one in new] == ["b.jpg"]


def test_an_upload_keeps_its_id_unless_the_file_is_just_that_picture(tmp_path: Path) -> None:
    (tmp_path / "7.jpg").write_bytes(b"picture")
    file = ListedFile(SourceFile(str(tmp_path / "7.jpg"), 7, 1), str(tmp_path), "7.jpg", False)
    same = IdHolder(None, hashlib.sha256(b"picture").hexdigest(), 7)
    for upload, id_from, wanted, is_it in (
        (same, "path", "7.jpg", True),
        (IdHolder(None, "0" * 64, 7), "path", f"{tmp_path.name}/7.jpg", False),
        (IdHolder(None, "", 0), "path", "7.jpg", False),
        (IdHolder(None, "0" * 64, 7), "stem", "7", False),
    ):
        held = {"7.jpg": upload, "7": upload}
        [one], _ = ids_of_new([file], id_from, lambda ids: {one: held[one] for one in ids if one in held}, {})  # noqa: B023
        assert (one.id, one.adopted is not None) == (wanted, is_it)


def test_a_taken_stem_or_number_is_a_failure_that_names_whose_it_is() -> None:
    files = [*listed("/a", "7.jpg"), *listed("/b", "7.png", "8.png")]
    for id_from in ("stem", "int"):
        ids, failures = chosen(files, {"8": IdHolder("/c/8.jpg")}, id_from)
        assert ids == ["7"]
        assert {failure.path: failure.code for failure in failures} == dict.fromkeys(
            ("/b/7.png", "/b/8.png"), "image_exists"
        )
        assert {"/a/7.jpg", "/c/8.jpg"} == {name for name in ("/a/7.jpg", "/c/8.jpg") if name in str(failures)}


@pytest.mark.parametrize(
    ("name", "id_from"),
    [("cat.jpg", "int"), ("d" * 300 + ".jpg", "path"), (b"\xff.jpg".decode(errors="surrogateescape"), "path")],
)
def test_a_name_that_gives_no_id_is_a_failure(name: str, id_from: str) -> None:
    ids, [failure] = chosen(listed("/photos", name), None, id_from)
    assert ids == []
    assert failure.code == "invalid_field"


def test_ids_from_the_stem_and_the_number_before_the_first_dot() -> None:
    assert chosen(listed("/photos", "0012.small.jpg"), None, "stem") == (["0012.small"], [])
    assert chosen(listed("/photos", "0012.small.jpg"), None, "int") == (["12"], [])
    assert chosen(listed("/photos", "a.jpg"), None, "sha256") == ([None], [])


def test_an_id_never_grows_too_long() -> None:
    folder = "/" + "/".join(["d" * 100] * 3)
    held = {"a.jpg": IdHolder("/x"), f"{'d' * 100}/a.jpg": IdHolder("/x")}
    held[f"{'d' * 100}/{'d' * 100}/a.jpg"] = IdHolder("/x")
    assert chosen(listed(folder, "a.jpg"), held) == (["a (2).jpg"], [])
    assert PurePath(folder).name == "d" * 100

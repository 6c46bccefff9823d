"""An original installation's tables, found and merged by id; what does not fit is told, and nothing else is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from graph.ambience_data.defects import Defects
from graph.ambience_data.folders import ServiceFolder, open_folders
from graph.ambience_data.pictures import FoundPicture, FoundPictures
from tests.unit.graph.ambience_data.installation import (
    forget,
    key,
    random_hash,
    random_histogram,
    random_vector,
    write_installation,
    write_names,
    write_store,
)

RNG = np.random.default_rng(7)


@contextmanager
def opened(*paths: Path, said: Mapping[str, str] | None = None) -> Iterator[tuple[Sequence[ServiceFolder], Defects]]:
    defects = Defects()
    folders = open_folders([str(path) for path in paths], said or {}, defects)
    try:
        yield folders, defects
    finally:
        for folder in folders:
            folder.close()


def found(*paths: Path) -> tuple[dict[int, FoundPicture], dict[str, str]]:
    """Pictures by id, and the codes of the defects by where."""
    with opened(*paths) as (folders, defects):
        pictures = FoundPictures(folders, defects)
        by_id = {picture.id: picture for picture in pictures}
        assert pictures.count() == len(by_id) or "names_differ" in {one.code for one in defects.counts}
        told = {Path(failure.path).name: failure.code for failure in defects.taken()}
        return by_id, told


def features_of(*paths: Path, said: Mapping[str, str] | None = None) -> list[tuple[str, int]]:
    with opened(*paths, said=said) as (folders, _):
        return [(table.feature, table.width) for folder in folders for table in folder.tables]


def test_pictures_of_all_folders_are_merged_in_the_order_of_ids(tmp_path: Path) -> None:
    numbers = [*range(300), 70_000, 2**32 - 1]
    pictures, told = found(write_installation(tmp_path, numbers))
    assert list(pictures) == numbers
    assert not told
    assert pictures[70_000].file_name == "70000.jpg"
    assert {feature: len(value) for feature, (_, value) in pictures[0].values.items()} == {"phash": 72, "color": 2048}


def test_a_picture_that_one_service_lacks_has_what_the_other_has(tmp_path: Path) -> None:
    write_installation(tmp_path, range(4))
    forget(tmp_path / "color_web" / "rgb_histograms.lmdb", [key(2)])
    pictures, told = found(tmp_path)
    assert set(pictures[2].values) == {"phash"}
    assert not told


def test_reading_writes_nothing(tmp_path: Path) -> None:
    write_installation(tmp_path, range(20))
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("*.mdb")}
    found(tmp_path)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("*.mdb")} == before


def test_a_file_alone_is_a_store_too(tmp_path: Path) -> None:
    store = write_store(tmp_path / "made", {key(3): random_hash(RNG)})
    os.rename(store / "data.mdb", tmp_path / "phashes.lmdb")
    assert list(found(tmp_path / "phashes.lmdb")[0]) == [3]


@pytest.mark.parametrize(
    ("place", "value", "feature", "width"),
    [
        ("rgb_histograms.lmdb", random_histogram(RNG), "color", 2048),
        ("global_features_web/features.lmdb", random_vector(RNG, 768), "global", 3072),
        ("global_features_web/data/features.lmdb", random_vector(RNG, 768), "global", 3072),
        ("color_web/image_text/features.lmdb", random_histogram(RNG), "image_text", 2048),
        ("image_text_features_web/features.lmdb", random_vector(RNG, 512), "image_text", 2048),
        ("old/features.lmdb", random_vector(RNG, 768), "global", 3072),
        ("old/features.lmdb", random_vector(RNG, 512), "image_text", 2048),
        ("old/features.lmdb", random_histogram(RNG), "color", 2048),
        ("old/features.lmdb", random_histogram(RNG, scale=1), "color", 2048),
    ],
)
def test_vectors_are_told_apart_by_folder_and_length(
    tmp_path: Path, place: str, value: bytes, feature: str, width: int
) -> None:
    write_store(tmp_path / place, {key(1): value})
    assert features_of(tmp_path) == [(feature, width)]


def test_what_the_given_path_lies_in_says_nothing_and_its_own_name_does(tmp_path: Path) -> None:
    given = tmp_path / "colorado" / "global-share" / "image_text_features_web"
    write_store(given / "features.lmdb", {key(1): random_histogram(RNG)})
    assert features_of(given) == [("image_text", 2048)]
    assert features_of(given / "features.lmdb") == [("color", 2048)]
    os.rename(given, given.parent / "old")
    assert features_of(given.parent / "old") == [("color", 2048)]


@pytest.mark.parametrize(
    ("name", "numbers"), [("global_features_web", 512), ("colorado", 768), ("phash_web", 768), ("image_text", 768)]
)
def test_a_name_that_the_length_contradicts_says_nothing(tmp_path: Path, name: str, numbers: int) -> None:
    store = write_store(tmp_path / name / "features.lmdb", {key(1): random_vector(RNG, numbers)})
    with opened(tmp_path) as (folders, defects):
        assert not any(folder.tables for folder in folders)
        assert [failure.code for failure in defects.taken()] == ["unknown_feature"]
    assert features_of(tmp_path, said={str(store.parent): "global"}) == [("global", 4 * numbers)]


def test_an_outer_path_says_what_its_inner_ones_do_not(tmp_path: Path) -> None:
    inner = tmp_path / "image_text" / "data"
    write_store(inner / "features.lmdb", {key(1): random_histogram(RNG)})
    assert features_of(inner) == [("color", 2048)]
    assert features_of(inner, tmp_path) == features_of(tmp_path, inner) == [("image_text", 2048)]


def test_what_nobody_can_tell_is_said_or_left_out(tmp_path: Path) -> None:
    write_store(tmp_path / "faces" / "features.lmdb", {key(1): random_vector(RNG, 100)})
    with opened(tmp_path) as (_, defects):
        assert [count.code for count in defects.counts] == ["unknown_feature"]
    assert features_of(tmp_path, said={str(tmp_path): "global"}) == [("global", 400)]
    assert features_of(tmp_path, said={str(tmp_path): "global", str(tmp_path / "faces"): "image_text"}) == [
        ("image_text", 400)
    ]


def test_a_damaged_or_cut_store_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    write_installation(tmp_path, range(2000))
    data = tmp_path / "color_web" / "rgb_histograms.lmdb" / "data.mdb"
    os.truncate(data, data.stat().st_size // 2)
    (tmp_path / "color_web" / "id_to_filename.lmdb" / "data.mdb").write_bytes(b"no LMDB" * 1000)
    (tmp_path / "color_web" / "filename_to_id.lmdb" / "data.mdb").unlink()
    pictures, told = found(tmp_path)
    assert len(pictures) == 2000
    assert told == dict.fromkeys(("rgb_histograms.lmdb", "id_to_filename.lmdb", "filename_to_id.lmdb"), "damaged")


def test_keys_that_are_no_ids_are_passed_over(tmp_path: Path) -> None:
    write_installation(tmp_path, range(2))
    write_store(tmp_path / "phash_web" / "phashes.lmdb", {b"\x01": random_hash(RNG)})
    pictures, told = found(tmp_path)
    assert list(pictures) == [0, 1]
    assert told == {"phashes.lmdb: 01": "bad_key"}


def test_names_that_only_one_map_has_are_used_and_told(tmp_path: Path) -> None:
    write_installation(tmp_path, range(3))
    for service in ("phash_web", "color_web"):
        forget(tmp_path / service / "id_to_filename.lmdb", [key(1)])
    forget(tmp_path / "phash_web" / "filename_to_id.lmdb", [b"2.jpg"])
    pictures, told = found(tmp_path)
    assert [picture.file_name for picture in pictures.values()] == ["0.jpg", "1.jpg", "2.jpg"]
    assert told == {"filename_to_id.lmdb: '1.jpg'": "one_way_name", "id_to_filename.lmdb: 2": "one_way_name"}


def test_a_name_of_two_ids_is_that_of_the_one_that_the_other_map_says(tmp_path: Path) -> None:
    write_installation(tmp_path / "a", range(3))
    write_store(tmp_path / "a" / "phash_web" / "id_to_filename.lmdb", {key(1): b"2.jpg"})
    write_store(tmp_path / "a" / "color_web" / "id_to_filename.lmdb", {key(1): b"2.jpg"})
    pictures, told = found(tmp_path)
    assert (pictures[1].file_name, pictures[2].file_name) == (None, "2.jpg")
    assert told == {
        "id_to_filename.lmdb: 1": "same_name",
        "filename_to_id.lmdb: '1.jpg'": "names_differ",
        "name of 1": "no_file_name",
    }


def test_what_another_folder_has_under_another_name_is_not_mixed_in(tmp_path: Path) -> None:
    write_installation(tmp_path, range(3))
    for store in ("id_to_filename.lmdb", "filename_to_id.lmdb"):
        forget(tmp_path / "color_web" / store, [key(1) if store.startswith("id") else b"1.jpg"])
    write_names(tmp_path / "color_web", {1: "another.jpg"})
    pictures, told = found(tmp_path)
    assert pictures[1].file_name == "another.jpg"  # of the folder that comes first
    assert set(pictures[1].values) == {"color"}
    assert told == {"phashes.lmdb: 1": "names_differ"}


def test_an_id_without_a_name_comes_without_and_a_name_without_features_does_not_come(tmp_path: Path) -> None:
    write_installation(tmp_path, range(3))
    write_store(tmp_path / "phash_web" / "phashes.lmdb", {key(9): random_hash(RNG)})
    write_names(tmp_path / "phash_web", {8: "8.jpg"})
    pictures, told = found(tmp_path)
    assert pictures[9].file_name is None
    assert 8 not in pictures
    assert told == {"name of 9": "no_file_name", "features of 8": "no_features"}


def test_without_any_names_nothing_is_missed(tmp_path: Path) -> None:
    write_store(tmp_path / "phashes.lmdb", {key(n): random_hash(RNG) for n in range(3)})
    pictures, told = found(tmp_path)
    assert {picture.file_name for picture in pictures.values()} == {None}
    assert not told


def test_names_come_from_the_map_of_names_alone_too(tmp_path: Path) -> None:
    write_store(tmp_path / "phashes.lmdb", {key(n): random_hash(RNG) for n in range(3)})
    write_store(tmp_path / "filename_to_id.lmdb", {b"b.jpg": key(0), b"a.jpg": key(1), b"c.jpg": key(2)})
    pictures, told = found(tmp_path)
    assert [picture.file_name for picture in pictures.values()] == ["b.jpg", "a.jpg", "c.jpg"]
    assert not told


def test_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    write_store(tmp_path / "phashes.lmdb", {key(0): random_hash(RNG)})
    write_store(tmp_path / "id_to_filename.lmdb", {key(0): b"caf\xe9.jpg"})
    pictures, told = found(tmp_path)
    assert pictures[0].file_name is None
    assert set(told.values()) == {"bad_file_name", "no_file_name"}


def test_the_first_of_two_tables_of_a_feature_counts(tmp_path: Path) -> None:
    first = write_store(tmp_path / "a" / "phashes.lmdb", {key(n): random_hash(RNG) for n in range(2)})
    write_store(tmp_path / "b" / "phashes.lmdb", {key(1): random_hash(RNG), key(5): random_hash(RNG)})
    pictures, told = found(tmp_path)
    assert list(pictures) == [0, 1, 5]
    assert pictures[1].values["phash"][0].path == str(first)
    assert told == {"phashes.lmdb: 1": "duplicate"}


def test_a_folder_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    write_installation(tmp_path, range(2))
    (tmp_path / "link").symlink_to(tmp_path / "phash_web")
    pictures, told = found(tmp_path, tmp_path / "phash_web", tmp_path / "link")
    assert (len(pictures), told) == (2, {})


def test_defects_are_counted_with_examples_and_told_once() -> None:
    defects = Defects()
    for number in range(5):
        defects.add("bad_key", f"store: {number}", "no id")
    defects.add("damaged", "file-\udce9", "broken")
    assert [(count.code, count.count, len(count.examples)) for count in defects.counts] == [
        ("bad_key", 5, 3),
        ("damaged", 1, 1),
    ]
    assert len(defects.taken()) == 6
    assert not defects.taken()

"""Whose keypoints are whose: the table of ranges, and what of it the stores have."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from graph.ambience_data.defects import Defects
from graph.ambience_data.folders import open_folders
from graph.ambience_data.keypoints import KeypointCounts, check_keypoints
from graph.ambience_data.point_ranges import PointRanges, check_point_source, read_point_ranges
from storage.errors import InvalidField, Misconfigured, Unavailable
from tests.unit.graph.ambience_data.installation import key, random_vector, write_store

RNG = np.random.default_rng(11)
RANGES = [(7, 1, 201), (8, 201, 301), (12, 301, 302)]


def read(tmp_path: Path, text: str) -> tuple[list[tuple[int, int, int]], list[str]]:
    path = tmp_path / "img_points.csv"
    path.write_text(text)
    defects = Defects()
    return rows(read_point_ranges(str(path), defects)), [failure.code for failure in defects.taken()]


def rows(ranges: PointRanges) -> list[tuple[int, int, int]]:
    return list(zip(ranges.images.tolist(), ranges.starts.tolist(), ranges.ends.tolist(), strict=True))


@pytest.mark.parametrize(
    "text",
    [
        '7,cat.jpg,"[1,201)"\n8,"a, b.jpg","[201,301)"\n12,x.jpg,"[301,302)"\n',
        'image_id,file_name,point_id_range\n8,b,"[201,301)"\n7,a,"[1,201)"\n12,x,"[301,302)"\n',
        'point_id_range,image_id\n"[1,201)",7\n"[201,301)",8\n"[301,302)",12\n',
        "7\tcat.jpg\t[1,201)\n8\ta, b.jpg\t[201,301)\n12\tx\t[301,302)\n\\.\n",
        '7,"[1,200]"\r\n8,"(200,301)"\r\n12,"[301,301]"\r\n13,empty\r\n',
        '\ufeff7,cat.jpg,"[1,201)"\n\n8,b,"[201,301)"\n12,x,"[301,302)"',
    ],
)
def test_ranges_are_read_as_postgresql_writes_them(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == (RANGES, [])


def test_lines_that_are_no_ranges_are_told(tmp_path: Path) -> None:
    text = '7,a,"[1,201)"\nx,b,"[201,301)"\n8,c,201-301\n9\n-4,d,"[1,2)"\n'
    assert read(tmp_path, text) == (RANGES[:1], ["bad_point_range"] * 4)


def test_ranges_that_share_points_and_pictures_with_two_are_told(tmp_path: Path) -> None:
    text = '7,a,"[1,201)"\n8,b,"[200,301)"\n7,a,"[400,500)"\n'
    assert sorted(read(tmp_path, text)[1]) == ["duplicate", "overlapping_points"]


def test_a_missing_file_is_told() -> None:
    with pytest.raises(InvalidField, match="cannot be read"):
        read_point_ranges("/no/such/file.csv", Defects())


def test_points_are_looked_up_by_range() -> None:
    table = np.array(RANGES)
    ranges = PointRanges(table[:, 0], table[:, 1], table[:, 2])
    assert ranges.places_of(np.array([0, 1, 200, 201, 301, 302, 99999])).tolist() == [-1, 0, 0, 1, 2, -1, -1]
    nothing = np.zeros(0, np.int64)
    assert PointRanges(nothing, nothing, nothing).places_of(np.array([4])).tolist() == [-1]


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """Keypoints and descriptors of all `RANGES`."""
    numbers = range(1, 302)
    write_store(tmp_path / "keypoints.lmdb", {key(n): np.array([n, 2 * n], np.float32).tobytes() for n in numbers})
    write_store(tmp_path / "descriptors.lmdb", {key(n): random_vector(RNG, 128) for n in numbers})
    return tmp_path


def checked(folder: Path, *, with_ranges: bool = True) -> tuple[KeypointCounts, dict[str, str]]:
    table, defects = np.array(RANGES), Defects()
    ranges = PointRanges(table[:, 0], table[:, 1], table[:, 2]) if with_ranges else None
    [opened] = open_folders([str(folder)], {}, defects)
    counts = check_keypoints(opened, ranges, defects)
    opened.close()
    return counts, {Path(failure.path).name: failure.code for failure in defects.taken()}


def test_whole_pictures_are_counted(points: Path) -> None:
    assert checked(points) == (KeypointCounts(301, 301, 3, 3), {})
    assert checked(points, with_ranges=False) == (KeypointCounts(301, 301, 0, 0), {})


def test_points_of_no_picture_and_pictures_without_points_are_told(points: Path) -> None:
    infinite = np.full(128, np.inf, np.float32).tobytes()
    write_store(points / "descriptors.lmdb", {key(5): infinite, key(250): b"short"})
    write_store(points / "keypoints.lmdb", {key(n): bytes(8) for n in (0, 302, 303, 900)})
    counts, told = checked(points)
    assert counts == KeypointCounts(305, 301, 3, 1)
    assert told == {
        "keypoints.lmdb: 0 to 0": "orphan_points",
        "keypoints.lmdb: 302 to 303": "orphan_points",
        "keypoints.lmdb: 900 to 900": "orphan_points",
        "descriptors.lmdb: 5": "not_finite",
        "descriptors.lmdb: 250": "wrong_length",
        f"{points.name}: keypoints of 7": "missing_points",
        f"{points.name}: keypoints of 8": "missing_points",
    }


def test_keys_of_older_data_have_as_many_bytes_as_they_need(tmp_path: Path) -> None:
    short = {n.to_bytes((n.bit_length() + 7) // 8, "big"): n for n in range(1, 302)}
    write_store(tmp_path / "keypoints.lmdb", {at: bytes(8) for at in short})
    write_store(tmp_path / "descriptors.lmdb", {at: random_vector(RNG, 128) for at in short})
    assert checked(tmp_path)[0].whole == 3


def test_without_descriptors_no_picture_is_whole(points: Path) -> None:
    (points / "descriptors.lmdb" / "data.mdb").unlink()
    counts, told = checked(points)
    assert (counts.descriptors, counts.whole) == (0, 0)
    assert told.pop("descriptors.lmdb") == "damaged"
    assert set(told.values()) == {"missing_points"}


class FakeDatabase(ModuleType):
    """As much of psycopg as is used."""

    class Error(Exception):
        pass

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        super().__init__("psycopg")
        self.rows = rows
        self.asked = ""

    def connect(self, url: str, *, connect_timeout: int) -> FakeDatabase:
        if "nowhere" in url:
            raise self.Error("connection refused\nIs the server running?")
        return self

    def cursor(self, name: str) -> FakeDatabase:
        return self

    def execute(self, query: str) -> None:
        self.asked = query

    def __enter__(self) -> FakeDatabase:
        return self

    def __exit__(self, *fault: object) -> None:
        pass

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)


def test_ranges_are_asked_of_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    database = FakeDatabase([*RANGES, (9, None, None)])
    monkeypatch.setitem(sys.modules, "psycopg", database)
    assert rows(read_point_ranges("postgresql://reader@db/ambience", Defects())) == RANGES
    assert database.asked.startswith("SELECT image_id")
    with pytest.raises(Unavailable, match="be read: connection refused"):
        read_point_ranges("postgresql://nowhere/x", Defects())


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Misconfigured, match=r"lookalike\[postgres\]"):
        read_point_ranges("postgresql://db/ambience", Defects())


@pytest.mark.parametrize("url", ["postgresql://u:secret@db/x", "postgresql://db/x?user=u&password=secret"])
def test_a_password_is_refused(url: str) -> None:
    with pytest.raises(InvalidField, match="password"):
        check_point_source(url)


@pytest.mark.parametrize("source", ["postgresql://u@db:5432/x", "postgres:///ambience", "/data/a:b@c/points.csv"])
def test_a_source_without_one_is_not(source: str) -> None:
    check_point_source(source)

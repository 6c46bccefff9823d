"""Which file is the picture with an id."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.ambience_data.defects import Defects
from graph.ambience_data.photos import Photos


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "a.jpg",
        "12.jpg",
        "7.small.png",
        "x/b.jpg",
        "x/twice.jpg",
        "y/twice.jpg",
        "y/12.png",
        ".hidden/c.jpg",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path.parent / "outside.jpg").write_bytes(b"")
    return tmp_path


def find(folder: Path, image_id: int, name: str | None) -> str:
    """The path below the folder, or the code of the defect."""
    defects = Defects()
    path = Photos(str(folder)).find(image_id, name, defects)
    codes = [failure.code for failure in defects.taken()]
    assert (path is None) == bool(codes)
    return codes[0] if path is None else str(Path(path).relative_to(folder))


@pytest.mark.parametrize(
    ("image_id", "name", "found"),
    [
        (1, "a.jpg", "a.jpg"),
        (1, "b.jpg", "x/b.jpg"),
        (1, "y/twice.jpg", "y/twice.jpg"),
        (1, "twice.jpg", "photo_not_clear"),
        (12, "none.jpg", "photo_not_found"),  # its number is a name of another picture's
        (7, None, "7.small.png"),
        (12, None, "photo_not_clear"),
        (8, None, "photo_not_found"),
        (1, "c.jpg", "photo_not_found"),
        (1, "../outside.jpg", "photo_not_found"),
        (1, "", "photo_not_found"),
    ],
)
def test_a_photo_is_found_by_its_name_or_its_number(folder: Path, image_id: int, name: str | None, found: str) -> None:
    assert find(folder, image_id, name) == found

"""An indexing job from its listing to its record, over shards in this process."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.unit.graph.jobs.indexed_folder import IndexedFolder


@pytest.mark.parametrize(
    ("id_from", "names", "ids"),
    [
        ("stem", ["a/one.jpg", "b/two.JPG"], ["one", "two"]),
        ("int", ["0012.jpg", "7.small.jpg"], ["12", "7"]),
        ("sha256", ["one.jpg", "same-as-one.jpg"], None),
    ],
)
def test_ids_come_from_where_they_are_told_to(
    folder: IndexedFolder, id_from: str, names: Sequence[str], ids: Sequence[str] | None
) -> None:
    for number, name in enumerate(names):
        folder.write(name, 1 if ids is None else number)
    done = folder.index(id_from=id_from)
    rows = folder.rows()
    if ids is None:
        [row] = rows.values()
        ids = [row.sha256]
    assert sorted(rows) == sorted(ids)
    assert (done.added, done.unchanged, done.failed) == (len(ids), len(names) - len(ids), 0)
    again = folder.index(id_from=id_from)
    assert (again.added, again.replaced, again.unchanged) == (0, 0, len(names))


def test_names_that_give_no_id_are_listed(folder: IndexedFolder) -> None:
    first = folder.write("a/1.jpg", 0)
    second, nameless = folder.write("b/1.jpg", 1), folder.write("name.jpg", 2)
    done = folder.index(id_from="int")
    assert (done.added, done.replaced, done.unchanged, done.failed) == (1, 0, 0, 2)
    source = folder.rows()["1"].source
    assert source is not None
    assert source.path == str(first)
    assert {one.path for one in folder.failures(done)} == {str(second), str(nameless)}


def test_a_changed_file_is_left_alone_or_replaced_as_told(folder: IndexedFolder) -> None:
    folder.write("changing.jpg", 0)
    assert folder.index().added == 1
    first = folder.rows()["changing.jpg"].sha256
    folder.write("changing.jpg", 1)
    assert folder.index(on_conflict="skip").replaced == 0
    assert folder.rows()["changing.jpg"].sha256 == first
    assert folder.index(on_conflict="replace").replaced == 1
    assert folder.rows()["changing.jpg"].sha256 != first

"""Photos make imported pictures whole, at once or later."""

from __future__ import annotations

import numpy as np
import pytest

from storage.errors import InvalidField
from storage.operations.pending import PendingPictures
from storage.operations.pictures import Thumbnail
from storage.shard.placement import shard_of
from tests.unit.graph.ambience_data.installation import key, random_hash, write_installation, write_store
from tests.unit.graph.jobs.importing.target import Target, counts, query_of
from tests.unit.graph.local_catalog import photo

RNG = np.random.default_rng(6)


def test_with_photos_a_picture_is_whole(target: Target) -> None:
    write_installation(target.original / "a", range(4), photos=range(4))
    write_store(target.original / "b" / "phashes.lmdb", {key(9): random_hash(RNG)})
    done = target.with_photos(0, 1, 2)
    assert counts(done) == (5, 5, 5, 0, 0, 3)
    assert done.report["photos"] == {"folder": str(target.photos), "attached": 3, "there": 0, "missing": 2}
    record = target.kept(1)
    assert (record.width, record.height, record.format) == (160, 120, "jpeg")
    assert record.source is not None
    assert record.source.path == str((target.photos / "1.jpg").resolve())
    assert (target.fleet.ask(shard_of("1", 2), Thumbnail("1")) or b"").startswith(b"\xff\xd8")
    assert target.failures() == {
        "photo of 3": "photo_not_found",
        "photo of 9": "photo_not_found",
        "name of 9": "no_file_name",
    }
    assert target.kept(3).width == 0


def test_what_a_folder_lacks_is_pending_once_the_photo_is_there(target: Target) -> None:
    write_installation(target.original, range(3), photos=range(3))
    target.run(target.original / "color_web")
    target.with_photos(0)
    assert target.kept(0).features == {"phash": "ok", "color": "ok"}
    write_store(target.folder / "hashes" / "phashes.lmdb", {key(7): random_hash(RNG)})
    (target.photos / "7.jpg").write_bytes(photo(8))
    target.run(target.folder / "hashes", photos=str(target.photos))
    assert target.failures() == {"photo of 7": "photo_does_not_fit"}


def test_photos_that_come_later_are_added(target: Target) -> None:
    write_installation(target.original, range(4), photos=range(4))
    target.run(target.original / "phash_web")
    done = target.run(target.original / "phash_web", photos=str(target.photos))
    assert (counts(done), set(target.failures().values())) == ((4, 4, 0, 0, 4, 4), {"photo_not_found"})
    for seed in (0, 1):
        (target.photos / f"{seed}.jpg").write_bytes(photo(seed))
    done = target.run(target.original / "phash_web", photos=str(target.photos))
    assert counts(done) == (4, 4, 0, 2, 2, 2)
    assert target.kept(0).features == {"phash": "ok", "color": "pending"}
    assert target.kept(2).features == {"phash": "ok", "color": "absent"}
    wanted = PendingPictures(dict.fromkeys(("phash", "color"), ""), 0, 10)
    assert {image.id for page in target.fleet.ask_each(wanted) for image in page.images} == {"0", "1"}
    assert target.nearest("phash", query_of(0)[0]) == ("0", 0)
    again = target.run(target.original / "phash_web", photos=str(target.photos))
    assert (counts(again), again.report["photos"]["there"]) == ((4, 4, 0, 0, 4, 2), 2)
    assert not target.problems()


def test_photos_that_cannot_be_read_or_are_another_picture_are_told(target: Target) -> None:
    write_installation(target.original, range(4), photos=range(4))
    (target.photos / "1.jpg").write_bytes(b"no picture")
    (target.photos / "2.jpg").write_bytes(photo(77))
    done = target.with_photos(0)
    assert target.failures() == {
        "photo of 1": "unsupported_image",
        "photo of 2": "photo_does_not_fit",
        "photo of 3": "photo_not_found",
    }
    assert (counts(done), done.report["photos"]["attached"]) == ((4, 4, 4, 0, 0, 3), 1)
    assert target.kept(2).width == 0


def test_a_folder_of_photos_that_is_not_there_fails_before_anything_is_written(target: Target) -> None:
    write_installation(target.original, range(2))
    with pytest.raises(InvalidField, match="no folder of photos"):
        target.run(photos=str(target.folder / "nowhere"))
    assert target.images() == 0

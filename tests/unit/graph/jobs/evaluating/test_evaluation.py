"""Edits of photos are asked of the service, strangers are photos that it must not find."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graph.jobs.evaluating.edits import EDITS, key_of
from lookalike_client import Thresholds
from storage.errors import InvalidField, Unavailable
from storage.operations.thresholds import FindThresholds, PutThresholds
from storage.types.mutations import DeleteImage
from tests.unit.graph.jobs.evaluating.photo_library import PhotoLibrary

BASICS = {"jpeg15", "gray", "mirror", "thumbnail200px"}


def detailed(seed: int, size: tuple[int, int] = (320, 240)) -> bytes:
    """A picture with detail everywhere, as photographs have."""
    noise = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PhotoLibrary]:
    monkeypatch.setattr("graph.jobs.index.settle", lambda: None)
    monkeypatch.setattr("graph.jobs.index.cluster_cpus", lambda: 0.0)
    made = PhotoLibrary(tmp_path / "photos", tmp_path / "data")
    made.photos.mkdir()
    for seed in range(6):
        (made.photos / f"{seed}.jpg").write_bytes(detailed(seed))
    made.index()
    yield made
    made.close()


def test_every_edit_of_a_photo_is_asked_and_counted(library: PhotoLibrary) -> None:
    before = library.rows()
    report = library.evaluate(n=2, strangers=4)
    assert set(report["edits"]) == {key_of(edit) for edit in EDITS}
    assert all(told["n"] == 2 for told in report["edits"].values())
    assert {report["edits"][edit]["recall_at_1"] for edit in BASICS} == {1.0}
    assert {report["edits"][edit]["relation_right"] for edit in BASICS} == {1.0}
    assert report["edits"]["jpeg15"]["by_feature"] == {"phash": {"recall_at_1": 1.0, "n": 2}}
    assert report["strangers"] == {"n": 4, "called_match": 0, "with_copies": 0}
    assert report["latency_ms"]["all"]["n"] == 4 + 2 * len(EDITS)
    assert report["latency_ms"]["phash"]["n"] == 2
    assert all(0.5 <= row["confidence"] <= 1 and 0 <= row["right"] <= 1 for row in report["calibration"])
    assert sum(row["n"] for row in report["calibration"]) >= 2 * len(BASICS)
    assert library.rows() == before


def test_the_same_seed_asks_the_same_questions(library: PhotoLibrary) -> None:
    library.evaluate(n=1, strangers=2, seed=5)
    first, library.asked = library.asked, []
    library.evaluate(n=1, strangers=2, seed=5)
    assert [one.images for one in library.asked] == [one.images for one in first]
    library.asked = []
    library.evaluate(n=6, strangers=6, seed=6)
    assert len({one.images for one in library.asked if one.filter is not None}) == 6


def test_a_copy_in_the_collection_is_no_wrong_answer(library: PhotoLibrary) -> None:
    with Image.open(library.photos / "0.jpg") as picture:
        picture.resize((240, 180)).save(library.photos / "copy.jpg", quality=60)
    library.index()
    report = library.evaluate(n=7, strangers=7)
    assert report["strangers"] == {"n": 7, "called_match": 0, "with_copies": 2}
    assert {(one["id"], one["found"]) for one in report["copies"]} == {("0.jpg", "copy.jpg"), ("copy.jpg", "0.jpg")}
    assert report["edits"]["jpeg15"]["recall_at_1"] == 1.0


def test_a_folder_of_strangers_and_photos_that_are_known(library: PhotoLibrary, tmp_path: Path) -> None:
    apart = tmp_path / "apart"
    apart.mkdir()
    (apart / "known.jpg").write_bytes(detailed(3))
    (apart / "unknown.jpg").write_bytes(detailed(100))
    (apart / "broken.jpg").write_bytes(b"no picture")
    report = library.evaluate(apart, n=3, strangers=9)
    assert report["edits"]["mirror"]["n"] == 1
    assert report["edited_photos"]["asked"] == 1
    assert report["strangers"] == {"n": 2, "called_match": 0, "with_copies": 0}
    assert report["unreadable"] == 1


def test_what_is_wrongly_called_a_match_is_told(library: PhotoLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    with Image.open(library.photos / "0.jpg") as picture:
        picture.resize((240, 180)).save(library.photos / "copy.jpg", quality=60)
    library.index()
    monkeypatch.setattr("graph.jobs.evaluating.evaluation.is_one_photograph", lambda *_: False)
    report = library.evaluate(n=1, strangers=7)
    assert report["strangers"]["called_match"] == 2
    told = [failure for failure in report["failures"] if failure["kind"] == "stranger"]
    assert {(one["id"], one["found"]) for one in told} == {("0.jpg", "copy.jpg"), ("copy.jpg", "0.jpg")}
    assert all(one["why"] == "called a match" and one["confidence"] >= 0.5 for one in told)


def test_without_files_there_is_nothing_to_ask_with(library: PhotoLibrary) -> None:
    for path in library.photos.iterdir():
        path.unlink()
    with pytest.raises(InvalidField, match="can be read"):
        library.evaluate()
    for image_id in library.rows():
        for shard in range(library.fleet.count):
            library.fleet.apply(shard, [DeleteImage(f"{image_id}-{shard}", image_id)])
    with pytest.raises(InvalidField, match="no pictures"):
        library.evaluate()


def test_it_ends_in_time_and_says_what_was_cut(library: PhotoLibrary) -> None:
    report = library.evaluate(time_s=0.0)
    assert report["out_of_time"]
    assert report["edited_photos"] == {"asked": 0, "wanted": 2}


def test_a_service_that_is_down_ends_it(library: PhotoLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_request: object) -> None:
        raise Unavailable("it is away")

    monkeypatch.setattr(library, "search", refuse)
    with pytest.raises(Unavailable, match="20 searches"):
        library.evaluate(n=6, strangers=6)


def test_calibrating_stores_what_strangers_tell_as_the_package_finds_them(
    library: PhotoLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph.jobs.evaluating.calibrating.FEWEST", 3)
    report = library.evaluate(n=1, strangers=4, calibrate=True)
    stored = library.fleet.ask(0, FindThresholds())
    assert stored is not None
    assert asdict(stored) == report["thresholds"]
    assert (stored.strangers, stored.least_confidence, stored.job) == (4, 0.5, "eval-1")
    assert {one.least_confidence for one in library.asked} == {0.5}
    library.reopen()
    assert library.fleet.ask(0, FindThresholds()) == stored


def test_too_few_strangers_leave_what_was_stored(library: PhotoLibrary) -> None:
    before = Thresholds(0.8, 0.001, 0.95, 3000, 0)
    library.fleet.ask(0, PutThresholds(before))
    assert library.evaluate(n=1, strangers=4, calibrate=True)["thresholds"] is None
    assert library.fleet.ask(0, FindThresholds()) == before

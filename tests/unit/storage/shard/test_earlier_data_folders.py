"""A data folder that an earlier version wrote opens, answers, verifies and takes writes.

The archive holds two shards of 40 pictures with four features and tags, as version 0.1.0 left them before storage stood
in rooms: a whitened index of a model, another model that is to take over, a trained index of keypoints, snapshots older
than the log, a picture with a pending feature, one that was deleted, kept originals, a job with a failure. The second
shard was not closed in order.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.extractors.registry import create_extractor
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import prepare_picture
from storage.operations.features import Features
from storage.operations.indexes import SaveIndexes
from storage.operations.jobs import FailuresOfJob, Jobs
from storage.operations.pending import PendingPictures
from storage.operations.pictures import IdsOfFileName, Original, Page, Records, Thumbnail
from storage.operations.reports import Stats, Verify
from storage.operations.sources import FilesAt
from storage.shard.data_folder import ensure_manifest, shard_directory
from storage.shard.placement import shard_of
from storage.shard.shard import Shard
from storage.types.features import FeatureSpec
from storage.types.mutations import DeleteImage
from storage.types.pictures import ImageRecord
from storage.types.searches import FeatureQuery, ShardQuery
from tests.unit.graph.local_catalog import photo
from tests.unit.storage.samples import applied, open_shard

ARCHIVE = Path(__file__).resolve().parents[3] / "fixtures" / "data_folder_0.1.tar.xz"
SHARDS = 2
MODEL = FeatureSpec("fake_model", "dense", 16, "cosine", "fake_model-1/7692c3ad3540bb80")
NEXT_MODEL = replace(MODEL, fingerprint="fake_model-1/3fc4ccfe745870e2")


def specs() -> list[FeatureSpec]:
    return [create_extractor(name, {}).spec for name in ("phash", "color", "local")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path / "data", filter="data")
    return tmp_path / "data"


@pytest.fixture
def shards(folder: Path) -> Iterator[list[Shard]]:
    ensure_manifest(folder, SHARDS, tuple(specs()))
    opened = opened_again(folder)
    yield opened
    for shard in opened:
        shard.close()


def opened_again(folder: Path) -> list[Shard]:
    return [
        open_shard(
            shard_directory(folder, index),
            specs(),
            index=index,
            shard_count=SHARDS,
            late=["fake_model"],
            annotations=["tags"],
            keeps_originals=True,
        )
        for index in range(SHARDS)
    ]


def all_records(shards: list[Shard]) -> list[ImageRecord]:
    return [record for shard in shards for record in shard.ask(Page(None, 100))]


def test_every_picture_is_there_with_what_is_known_of_it(shards: list[Shard]) -> None:
    records = {record.id: record for record in all_records(shards)}
    assert len(records) == 40
    assert "trip/photo-05.jpg" not in records
    record = records["trip/ф o%.jpg"]
    assert (record.width, record.height, record.format, record.added_at) == (160, 120, "jpeg", 1_700_000_003.0)
    assert record.metadata == {"title": "photo 3", "file_name": "photo-3.jpg"}
    assert record.annotations == {"tags": [{"label": "bridge", "score": 0.5}]}
    assert record.source is not None
    assert (record.source.path, record.source.mtime_ns) == ("/photos/trip/ф o%.jpg", 123456789)
    home = shards[shard_of(record.id, SHARDS)]
    assert [known.id for known in home.ask(FilesAt((record.source.path,)))] == [record.id]
    assert home.ask(IdsOfFileName("photo-3.jpg")) == [record.id]
    assert (home.ask(Thumbnail(record.id)) or b"").startswith(b"\xff\xd8")
    kept = shards[shard_of("trip/photo-01.jpg", SHARDS)].ask(Original("trip/photo-01.jpg"))
    assert hashlib.sha256(kept or b"").hexdigest() == records["trip/photo-01.jpg"].sha256


@pytest.mark.parametrize("feature", ["phash", "color", "local", "fake_model"])
def test_every_picture_finds_itself_by_its_stored_rows(shards: list[Shard], feature: str) -> None:
    for record in all_records(shards):
        if record.features[feature] != "ok":
            continue
        home = shards[shard_of(record.id, SHARDS)]
        stored = (home.ask(Features(record.id, (feature,))) or {})[feature]
        if not len(stored.rows):
            continue
        params = {"min_inliers": 4} if feature == "local" else {}
        query = FeatureQuery(feature, stored.rows, 3, None, params, stored.extras, stored.fingerprint)
        [answer] = home.search([ShardQuery((query,))])
        assert not answer.errors
        if feature != "local" or len(stored.rows) >= 12:
            assert answer.hits[feature][0].id == record.id


def test_counts_models_and_indexes_are_as_they_were_left(shards: list[Shard]) -> None:
    first, second = (shard.ask(Stats()) for shard in shards)
    assert [(one.images, one.sequence) for one in (first, second)] == [(17, 17), (23, 25)]
    for stats in (first, second):
        kinds = {name: one.index_kind for name, one in stats.features.items()}
        assert kinds == {"phash": "exact", "color": "exact", "local": "inverted_file", "fake_model": "exact"}
        assert stats.features["fake_model"].whitening == 508537798
        roles = {one.spec.fingerprint: one.role for one in stats.versions["fake_model"]}
        assert roles == {MODEL.fingerprint: "in_use", NEXT_MODEL.fingerprint: "following"}
    assert (first.features["local"].rows, second.features["local"].rows) == (254, 366)
    assert (first.features["fake_model"].pending, second.features["fake_model"].pending) == (0, 1)
    wanted = {"fake_model": NEXT_MODEL.fingerprint}
    waiting = [image for shard in shards for image in shard.ask(PendingPictures(wanted, 0, 100)).images]
    assert len(waiting) == 40


def test_jobs_and_their_failures_are_remembered(shards: list[Shard]) -> None:
    [job] = shards[0].ask(Jobs())
    assert (job.id, job.state, job.total, job.failed) == ("index-1", "succeeded", 41, 1)
    assert [one.code for one in shards[0].ask(FailuresOfJob("index-1", 0, 10))] == ["unreadable_image"]


def test_store_and_indexes_agree_before_and_after_writes_and_another_opening(folder: Path, shards: list[Shard]) -> None:
    assert [shard.ask(Verify()).problems for shard in shards] == [(), ()]
    home = shards[shard_of("trip/photo-01.jpg", SHARDS)]
    [result] = applied(home, [DeleteImage("gone", "trip/photo-01.jpg")])
    assert result.outcome == "deleted"
    again = applied(home, [DeleteImage("del-5", "trip/photo-05.jpg")]) if home is shards[1] else [result]
    assert again[0].outcome == "deleted"  # an operation of the earlier version is known: its outcome, not "absent"
    home.ask(SaveIndexes())
    for shard in shards:
        shard.close()
    reopened = opened_again(folder)
    try:
        assert [shard.ask(Verify()).problems for shard in reopened] == [(), ()]
        assert reopened[shard_of("trip/photo-01.jpg", SHARDS)].ask(Records(("trip/photo-01.jpg",))) == [None]
        assert sum(shard.ask(Stats()).images for shard in reopened) == 39
    finally:
        for shard in reopened:
            shard.close()


def test_a_photo_gives_today_the_hash_that_was_stored_then(shards: list[Shard]) -> None:
    phash = create_extractor("phash", {})
    prepared = prepare_picture(photo(7), {phash.image_input}, DecodeLimits())
    [rows] = phash.extract([prepared.forms[phash.image_input]])
    name = "trip/photo-07.jpg"
    stored = (shards[shard_of(name, SHARDS)].ask(Features(name, ("phash",))) or {})["phash"]
    assert (rows.rows == stored.rows).all()

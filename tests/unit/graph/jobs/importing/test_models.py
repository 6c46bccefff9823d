"""Vectors of the original's models: apart from those of any other model, unless photos show them to be the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deployments.extractors.registry import create_extractor
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import prepare_picture
from graph.jobs.backfill import BackfillJob
from graph.jobs.importing.destinations import Destinations
from graph.requests.messages import SearchRequest
from storage.errors import ExtractorUnavailable
from storage.operations.reports import Stats
from storage.types.jobs import JobRecord
from tests.unit.graph.ambience_data.installation import key, random_vector, vector_bytes, write_names, write_store
from tests.unit.graph.jobs.importing.target import Target, counts
from tests.unit.graph.local_catalog import local_service, photo

RNG = np.random.default_rng(8)
OWN = "ambience-fake_model-16"
PICTURES = range(8)
SHARDS = 3  # of a `local_service`


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    monkeypatch.setattr("graph.jobs.import_ambience.settle", lambda: None)
    monkeypatch.setattr("graph.jobs.backfill.settle", lambda: None)
    made = Target(tmp_path, {"phash": {}, "fake_model": {"weights": str(tmp_path / "weights")}}, shards=SHARDS)
    write_store(made.original / "features.lmdb", {key(n): random_vector(RNG, 16) for n in PICTURES})
    write_names(made.original, {n: f"{n}.jpg" for n in PICTURES})
    yield made
    made.fleet.close()


def imported(target: Target, **arguments: Any) -> JobRecord:
    return target.run(features={str(target.original): "fake_model"}, **arguments)


def versions(target: Target) -> list[list[tuple[str, str, int]]]:
    """Fingerprint, role and pictures, by shard."""
    known = [shard.versions.get("fake_model", ()) for shard in target.fleet.ask_each(Stats())]
    return [[(one.spec.fingerprint, one.role, one.images) for one in ones] for ones in known]


def model(target: Target, weights: str = "one") -> Any:
    (target.folder / "weights").write_text(weights)
    return create_extractor("fake_model", target.settings.extractors["fake_model"])


def rows_by(extractor: Any, seed: int) -> Any:
    forms = prepare_picture(photo(seed), {extractor.image_input}, DecodeLimits()).forms
    return extractor.extract([forms[extractor.image_input]])[0].rows


def write_photos(target: Target) -> None:
    for seed in PICTURES:
        (target.photos / f"{seed}.jpg").write_bytes(photo(seed))


def reason(record: JobRecord) -> str:
    [table] = record.report["tables"]
    return str(table["reason"])


def test_vectors_of_an_unknown_model_are_kept_under_a_fingerprint_of_their_own(target: Target) -> None:
    done = imported(target)
    assert counts(done) == (8, 8, 8, 0, 0, 0)
    assert {(fingerprint, role) for shard in versions(target) for fingerprint, role, _ in shard} == {(OWN, "in_use")}
    rows = target.rows(5, "fake_model")
    assert target.nearest("fake_model", rows.rows, rows.fingerprint)[0] == "5"
    assert "a backfill of fake_model" in reason(done)
    assert counts(imported(target)) == (8, 8, 0, 0, 8, 0)


def test_they_take_the_place_of_a_model_without_any_rows(target: Target) -> None:
    target.fleet.adopt(model(target).spec, {})
    assert counts(imported(target)) == (8, 8, 8, 0, 0, 0)
    assert {one[0] for shard in versions(target) for one in shard} == {OWN}


def test_a_dry_run_makes_no_room_for_them(target: Target) -> None:
    assert counts(imported(target, dry_run=True)) == (8, 8, 8, 0, 0, 0)
    assert versions(target) == [[]] * SHARDS


def test_they_never_meet_those_of_another_model(target: Target) -> None:
    extractor = model(target)
    target.fleet.adopt(extractor.spec, {})
    write_store(target.original / "features.lmdb", {key(n): vector_bytes(rows_by(extractor, n)[0]) for n in PICTURES})
    write_photos(target)
    imported(target, photos=str(target.photos))  # under the fingerprint of the model, which they are of
    write_store(target.folder / "other" / "features.lmdb", {key(n): random_vector(RNG, 16) for n in range(20, 24)})
    done = target.run(target.folder / "other", features={str(target.folder / "other"): "fake_model"})
    assert (done.added, done.skipped) == (0, 4)
    assert reason(done).startswith("left out: 8 pictures have vectors of another model")
    assert target.record(20) is None


def test_vectors_that_the_configured_model_gives_too_are_its_own(target: Target) -> None:
    extractor = model(target)
    write_store(target.original / "features.lmdb", {key(n): vector_bytes(rows_by(extractor, n)[0]) for n in PICTURES})
    write_photos(target)
    done = imported(target, photos=str(target.photos))
    assert (done.added, reason(done)) == (8, "")
    assert {one[0] for shard in versions(target) for one in shard} == {extractor.spec.fingerprint}
    assert target.nearest("fake_model", rows_by(extractor, 3), extractor.spec.fingerprint)[0] == "3"


def test_photos_are_looked_for_behind_any_number_of_pictures_without_one(target: Target) -> None:
    extractor, last = model(target), range(5000, 5008)
    write_store(target.original / "features.lmdb", {key(n): random_vector(RNG, 16) for n in range(1200)})
    write_store(target.original / "features.lmdb", {key(n): vector_bytes(rows_by(extractor, n)[0]) for n in last})
    for seed in last:
        (target.photos / f"{seed}.jpg").write_bytes(photo(seed))
    done = imported(target, photos=str(target.photos))
    assert (done.added, reason(done)) == (1208, "")
    assert {one[0] for shard in versions(target) for one in shard} == {extractor.spec.fingerprint}


def test_vectors_that_could_not_be_compared_are_told(target: Target) -> None:
    for name, content in (("1.jpg", photo(1)), ("2.jpg", photo(2)), ("3.jpg", photo(3))):
        (target.photos / name).write_bytes(content)
    told = reason(imported(target, photos=str(target.photos), dry_run=True))
    assert told.endswith("photos of 3 of them were found and could be read, and it takes 4")
    write_photos(target)
    told = reason(imported(target, photos=str(target.photos), dry_run=True))
    assert "; they were not compared with the configured model: " in told
    model(target)
    (target.photos / "1.jpg").write_bytes(b"no picture")
    for number in range(2, 6):
        (target.photos / f"{number}.jpg").unlink()
    (target.photos / "5.jpg").write_bytes(b"no picture")
    told = reason(imported(target, photos=str(target.photos), dry_run=True))
    assert told.endswith("photos of 3 of them were found and could be read, and it takes 4")
    write_photos(target)
    assert "not compared" not in reason(imported(target, photos=str(target.photos), dry_run=True))


def test_one_photo_that_the_model_sees_otherwise_is_enough_to_keep_them_apart(target: Target) -> None:
    extractor = model(target)
    vectors = {key(n): vector_bytes(rows_by(extractor, n)[0]) for n in PICTURES}
    write_store(target.original / "features.lmdb", vectors | {key(6): random_vector(RNG, 16)})
    write_photos(target)
    assert "vectors of the original's model" in reason(imported(target, photos=str(target.photos)))
    assert {one[0] for shard in versions(target) for one in shard} == {OWN}


def test_a_backfill_moves_them_over_to_the_configured_model(target: Target) -> None:
    write_photos(target)
    imported(target, photos=str(target.photos))
    extractor = model(target)
    record = JobRecord("backfill", "backfill", "queued", 0, 0, {"feature": "fake_model", "allow_missing": False})
    BackfillJob(record, target.settings, target.fleet, grace_s=0).run()
    assert {one[:2] for shard in versions(target) for one in shard} == {(extractor.spec.fingerprint, "in_use")}
    assert target.nearest("fake_model", rows_by(extractor, 3), extractor.spec.fingerprint)[0] == "3"
    again = imported(target)
    assert (counts(again), again.report["tables"][0]["left_out"]) == ((8, 8, 0, 0, 8, 0), 8)


def test_a_place_that_the_service_gave_away_before_the_first_row_is_taken_again(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured = model(target).spec
    adopt = Destinations._adopt

    def given_away(self: Destinations, spec: Any) -> bool:
        done = adopt(self, spec)
        monkeypatch.setattr(Destinations, "_adopt", adopt)
        target.fleet.adopt(configured, {}, replaces_empty=True)
        return done

    monkeypatch.setattr(Destinations, "_adopt", given_away)
    assert counts(imported(target)) == (8, 8, 8, 0, 0, 0)
    assert {one[0] for shard in versions(target) for one in shard} == {OWN}
    assert target.kept(5).features == {"phash": "absent", "fake_model": "ok"}


async def test_they_answer_searches_by_id_while_those_by_picture_say_what_to_do(target: Target) -> None:
    model(target)
    imported(target)
    target.fleet.close()
    with local_service(target.folder / "data", target.settings.extractors) as service:
        await service.models.look()
        by_id = await service.catalog.searches.search(SearchRequest(ids=("5",), features=("fake_model",)))
        assert by_id.results[0].id == "5"
        assert by_id.features["fake_model"].status == "ok"
        with pytest.raises(ExtractorUnavailable, match="a backfill of 'fake_model'"):
            await service.catalog.searches.search(SearchRequest(images=(photo(5),), features=("fake_model",)))

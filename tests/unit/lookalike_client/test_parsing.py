"""What the service writes is what the client reads."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import pytest

from graph.http.replies import answers as written
from graph.requests import messages as requests
from lookalike_client import calls, job_calls
from lookalike_client.calls import Call
from lookalike_client.matches import Changed, Evidence, Explanation, Overlap, Transform
from storage.types.jobs import JobRecord
from storage.types.pictures import Exif, ImageRecord, SourceFile
from storage.types.reports import FeatureStats, ShardStats, VerifyReport

T = TypeVar("T")

RECORD = ImageRecord(
    id="søndag/橋.jpg",
    width=640,
    height=480,
    sha256="ab",
    format="jpeg",
    byte_size=1500,
    added_at=1_700_000_000.5,
    features={"phash": "ok", "image_text": "pending"},
    metadata={"year": 1998},
    source=SourceFile("/photos/橋.jpg", 1500, 1),
    annotations={"tags": [{"label": "橋", "score": 0.5}], "caption": "a bridge"},
    exif=Exif("2019-06-01T10:11:12+02:00", "Canon EOS 5D", 6, (48.8581944, -2.2945)),
    missing=True,
)


def read(call: Call[T], body: Any) -> T:
    """What the client makes of this body where it asked so."""
    return call.parse(httpx.Response(200, content=bytes(written.json_response(body).body)))


def test_a_row() -> None:
    row = read(calls.get("x"), written.image_row(RECORD))
    assert (row.id, row.path, row.features) == (RECORD.id, "/photos/橋.jpg", RECORD.features)
    assert row.bytes == row.byte_size == RECORD.byte_size
    assert row.annotations == RECORD.annotations
    assert Exif(row.taken_at, row.camera, row.orientation, row.gps) == RECORD.exif
    assert row.missing
    assert row.added_at == datetime.fromtimestamp(RECORD.added_at, UTC)


def test_a_row_of_which_nobody_looked_for_exif() -> None:
    row = read(calls.get("x"), written.image_row(replace(RECORD, exif=None, source=None)))
    assert (row.path, row.taken_at, row.camera, row.orientation, row.gps) == (None,) * 5


def test_a_page_of_rows() -> None:
    page = read(calls.page(2, None), written.image_page(requests.ImagePage((RECORD, RECORD), "x")))
    assert ([row.id for row in page.images], page.next_cursor) == ([RECORD.id] * 2, "x")


def test_an_added_picture() -> None:
    added = read(calls.replace("x", b"", None), written.added(requests.AddAnswer("skipped", RECORD)))
    assert (added.id, added.outcome, added.created) == (RECORD.id, "skipped", False)


def test_a_search_answer() -> None:
    matches: Any = {"phash": {"distance": 4, "rank": 1}}
    of_file = ("/photos/x", 1500, "2019-06-01T10:11:12", "Canon EOS 5D", (48.8581944, -2.2945), True)
    found = requests.SearchResult("x", 0.5, matches, 640, 480, {"a": 1}, {"caption": "x"}, *of_file)
    parts = {
        "phash": requests.PartReport("ok", 2.0, "a text was cut"),
        "color": requests.PartReport("timeout", 9.0, "late"),
    }
    answer = requests.SearchAnswer((found,), parts, True, (1,), 18.4)
    assert asdict(read(calls.similar("x", None, 2), written.search_answer(answer))) == asdict(answer)


def test_what_is_said_of_a_result_as_a_whole() -> None:
    explained = Explanation(
        (Evidence("inliers", 83.0, "83 keypoints agree"), Evidence("bytes", None, "they differ")),
        ((1.0, 2.0, 3.0, 4.5),),
        Changed((640, 480), ((1, 2, 30, 40),)),
    )
    judged = requests.SearchResult(
        *("x", 0.5, {}, 640, 480),
        relation="crop",
        confidence=0.998,
        because=("phash",),
        transform=Transform(True, 0.4, 1.92),
        overlap=Overlap(0.99, 0.31),
        explain=explained,
    )
    bare = replace(judged, explain=None)
    answer = requests.SearchAnswer((judged, bare), {"local": requests.PartReport("not_needed")}, verdict="match")
    body = written.search_answer(answer)
    assert read(calls.similar("x", None, 2), body) == answer
    assert ["explain" in result for result in body["results"]] == [True, False]


def test_a_feature_report() -> None:
    report = requests.FeatureReport(
        "phash", "ready", "", None, "v1", "binary", 576, "hamming", "flat", 2, next_version="v2"
    )
    assert read(calls.features(), {"features": [report]}) == (report,)


def test_the_figures_of_a_service() -> None:
    shard = ShardStats(
        0, 2, 7, 100, {"phash": FeatureStats(2, 2, 1, "flat", 40), "color": FeatureStats(2, 2, 0, "flat", 2)}
    )
    stats = read(calls.stats(), requests.ServiceStats(2, 100, 42, {"phash": 1}, (asdict(shard),), (1,)))
    assert (stats.images, stats.disk_bytes, stats.memory_bytes, stats.pending) == (2, 100, 42, {"phash": 1})
    assert (stats.shards[0].shard, stats.shards[0].memory_bytes, stats.missing_shards) == (0, 42, (1,))


def test_a_verification() -> None:
    report = VerifyReport(1, 3, 6, ("color: 2 rows",))
    verification = read(calls.verify(), {"ok": False, "shards": [report]})
    assert not verification.ok
    assert [asdict(shard) for shard in verification.shards] == [asdict(report)]


def test_a_training() -> None:
    shards = (requests.ShardTraining(0, 31000, 352, 0.9), requests.ShardTraining(1, reason="no rows"))
    answer = requests.TrainingAnswer("local", shards)
    assert read(calls.train("local"), written.training_answer(answer)) == answer


def test_a_job() -> None:
    record = JobRecord("j", "index", "running", 1_700_000_000.0, 1_700_000_001.0, {"paths": ["/p"]}, total=3, failed=1)
    job = read(job_calls.job("j"), written.job_row(record))
    assert (job.id, job.total, job.failed, job.arguments) == ("j", 3, 1, {"paths": ["/p"]})
    assert job.submitted_at.timestamp() == record.submitted_at


@pytest.mark.parametrize("missing", ["id", "width", "height", "sha256", "features", "added_at"])
def test_a_row_that_lacks_what_every_row_has_is_not_read(missing: str) -> None:
    body = written.image_row(RECORD)
    with pytest.raises((KeyError, TypeError)):
        read(calls.get("x"), without(body, missing))
    with pytest.raises((KeyError, TypeError)):
        read(calls.page(1, None), {"images": [without(body, missing)], "next_cursor": None})


@pytest.mark.parametrize("missing", ["metadata", "format", "bytes", "path", "annotations"])
def test_a_row_of_an_older_service_may_lack_what_came_later(missing: str) -> None:
    assert read(calls.get("x"), without(written.image_row(RECORD), missing)).id == RECORD.id


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}

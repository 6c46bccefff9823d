"""``lookalike index`` on the real photographs: all of them in, the broken ones listed, and each found again."""

from __future__ import annotations

import hashlib
import io
import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from graph.client import Client, SearchAnswer
from graph.jobs.scanning.listing import IMAGE_SUFFIXES
from tests.e2e.running_service import RunningService

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SAME_PICTURE = 64  # of 576 bits
THREADS = 8


@dataclass(frozen=True)
class Indexed:
    """The photographs and what the first indexing of them said. ids: of all that can be read."""

    folder: Path
    ids: list[str]
    broken: list[str]
    output: str
    client: Client

    def everywhere(self, check: Callable[[str], object]) -> None:
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(check, self.ids))

    def phash(self, query: bytes | Path, orientations: str, k: int = 20) -> dict[str, float]:
        """Distances of the nearest, by id."""
        params = {"phash": {"orientations": orientations}}
        return distances(self.client.search(image=query, features=["phash"], k=k, params=params))


def distances(answer: SearchAnswer) -> dict[str, float]:
    assert not answer.partial
    return {result.id: result.matches["phash"]["distance"] for result in answer.results}


@pytest.fixture(scope="module")
def indexed(shared_dir: Path, shared_service: RunningService) -> Iterator[Indexed]:
    folder = shared_dir / "photos"
    names = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.suffix.lower() in IMAGE_SUFFIXES]
    first = shared_service.run("index", str(folder), "--failures", timeout_s=300)
    assert first.returncode == 0, first.stderr
    ids = [str(name) for name in names if name.parts[0] != "broken"]
    broken = [name.name for name in names if name.parts[0] == "broken"]
    with Client(shared_service.url) as client:
        photos = Indexed(folder, ids, broken, first.stdout, client)
        yield photos
        photos.everywhere(client.delete)


def test_every_readable_photo_is_indexed_and_each_broken_one_listed_with_its_reason(indexed: Indexed) -> None:
    assert len(indexed.ids) >= 600
    assert f"indexed {len(indexed.ids)} new, 0 replaced, 0 unchanged, {len(indexed.broken)} could not be read" in (
        indexed.output
    )
    stored = {row.id for row in indexed.client.images()}
    assert set(indexed.ids) <= stored
    assert not any(image_id.startswith("broken/") for image_id in stored)
    [job] = [job for job in indexed.client.jobs() if job.arguments.get("paths") == [str(indexed.folder.resolve())]][-1:]
    failures = {Path(failure.path).name: failure for failure in indexed.client.job_failures(job.id).failures}
    assert sorted(failures) == sorted(indexed.broken)
    assert all(failure.reason and failure.code for failure in failures.values())
    assert all(re.search(re.escape(name[:30]), indexed.output) for name in indexed.broken)


def test_indexing_again_finds_nothing_new_and_is_quick(indexed: Indexed, shared_service: RunningService) -> None:
    before = indexed.client.stats().images
    started = time.monotonic()
    again = shared_service.run("index", str(indexed.folder))
    assert time.monotonic() - started < 20
    assert again.returncode == 0
    assert f"indexed 0 new, 0 replaced, {len(indexed.ids)} unchanged" in again.stdout
    assert indexed.client.stats().images == before


def test_each_photo_finds_itself_first(indexed: Indexed) -> None:
    hashes = {
        image_id: hashlib.sha256((indexed.folder / image_id).read_bytes()).hexdigest() for image_id in indexed.ids
    }

    def check(image_id: str) -> None:
        answer = indexed.client.search(image=indexed.folder / image_id, features=["phash", "color"], k=3)
        first = answer.results[0]
        assert not answer.partial
        assert hashes[first.id] == hashes[image_id], f"{image_id} found {[result.id for result in answer.results]}"
        assert first.matches["phash"]["distance"] == 0
        assert first.matches["color"]["distance"] == pytest.approx(0, abs=1e-6)

    indexed.everywhere(check)


def test_edits_find_the_original(indexed: Indexed) -> None:
    for edit in sorted((indexed.folder / "edits" / "bridge").glob("*.jpg")):
        found = indexed.phash(edit, "none", k=100)  # before it may come its other edits
        assert found["edits/bridge/aaa-orig.jpg"] <= SAME_PICTURE, edit.name


def test_a_mirrored_photo_finds_its_original(indexed: Indexed) -> None:
    for image_id in [name for name in indexed.ids if name.startswith("pixabay/")][:10]:
        encoded = io.BytesIO()
        with Image.open(indexed.folder / image_id) as original:
            ImageOps.mirror(ImageOps.exif_transpose(original).convert("RGB")).save(encoded, "JPEG", quality=90)
        answer = indexed.client.search(image=encoded.getvalue(), features=["phash"], k=1)
        assert answer.results[0].id == image_id
        assert answer.results[0].matches["phash"]["distance"] <= SAME_PICTURE
        assert answer.results[0].matches["phash"]["view"] == "mirrored"
        assert (answer.results[0].matches["phash"].farther or 0) > 0.95


def test_rotations_and_flips_are_one_picture_where_all_orientations_are_asked(indexed: Indexed) -> None:
    ids = {image_id for image_id in indexed.ids if image_id.startswith("edits/dihedral/")}
    assert len(ids) == 8
    for image_id in ids:
        near = {
            name for name, bits in indexed.phash(indexed.folder / image_id, "all", 40).items() if bits <= SAME_PICTURE
        }
        assert ids <= near
    turned = indexed.phash(indexed.folder / "edits/dihedral/bridge-2-rotate-90.jpg", "none", 1000)
    assert turned.get("edits/bridge/aaa-orig.jpg", 576) > SAME_PICTURE


def test_exif_orientations_are_one_picture_in_any_case(indexed: Indexed) -> None:
    ids = {image_id for image_id in indexed.ids if image_id.startswith("orientation/")}
    assert len(ids) == 9
    for image_id in ids:
        near = {name for name, bits in indexed.phash(indexed.folder / image_id, "none").items() if bits <= SAME_PICTURE}
        assert ids <= near


def test_search_by_id_answers_as_search_by_file(indexed: Indexed) -> None:
    for image_id in indexed.ids[::40]:
        by_file = indexed.client.search(image=indexed.folder / image_id, features=["phash", "color"], k=1000)
        by_id = indexed.client.similar(image_id, features=["phash", "color"], k=1000)
        assert (by_file.verdict, by_file.results[0].relation) == (by_id.verdict, by_id.results[0].relation)
        assert {result.id: result.matches for result in by_file.results} == {
            result.id: result.matches for result in by_id.results
        }


def test_every_thumbnail_is_a_small_jpeg_of_the_same_shape(indexed: Indexed) -> None:
    rows = {row.id: row for row in indexed.client.images()}

    def check(image_id: str) -> None:
        with Image.open(io.BytesIO(indexed.client.thumbnail(image_id))) as small:
            row = rows[image_id]
            assert small.format == "JPEG"
            assert min(192, max(row.width, row.height)) <= max(small.size) <= 256
            assert small.width / small.height == pytest.approx(row.width / row.height, rel=0.02)

    indexed.everywhere(check)


def test_the_original_file_is_given_back_byte_for_byte(indexed: Indexed) -> None:
    for image_id in indexed.ids[::20]:
        assert indexed.client.original(image_id) == (indexed.folder / image_id).read_bytes()


def test_the_store_and_the_indexes_agree(indexed: Indexed, shared_service: RunningService) -> None:
    assert indexed.client.verify().ok
    status = shared_service.run("status")
    assert status.returncode == 0
    shown = shared_service.run("search", str(indexed.folder / indexed.ids[0]), "-k", "3", "--all", "--json")
    assert json.loads(shown.stdout)["results"][0]["id"] == indexed.ids[0]


def test_two_pictures_are_compared_by_file_and_by_id(
    indexed: Indexed, shared_service: RunningService, tmp_path: Path
) -> None:
    first, other = (str(indexed.folder / image_id) for image_id in indexed.ids[:2])
    same = shared_service.run("same", first, f"id:{indexed.ids[0]}")
    assert (same.returncode, same.stdout) == (0, "same, confidence 1\n")
    (tmp_path / "words.jpg").write_text("these are words")
    broken = shared_service.run("same", str(tmp_path / "words.jpg"), other)
    assert (broken.returncode, broken.stdout) == (4, "")
    assert "a: " in broken.stderr

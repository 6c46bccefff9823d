"""The services for hashes and colours: orders, shapes, and distances equal to those of the original algorithms."""

from __future__ import annotations

import io
import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.unit.graph.http.ambience.original_algorithms import (
    HISTOGRAM_SUM,
    color_distance,
    hamming,
    phash,
    phash_distance,
)
from tests.unit.graph.http.ambience.original_client import OriginalClient

DIGITS = 1e-6  # relative: distances are given with the digits of a float32


@pytest.fixture
async def ids(original: OriginalClient, photos: dict[str, bytes]) -> dict[int, bytes]:
    """The photos are stored, each in both services."""
    stored = dict(enumerate(photos.values()))
    for image_id, data in stored.items():
        for feature in ("phash", "color"):
            answer = await original.calculate(feature, data, image_id)
            assert (answer.status_code, answer.content) == (200, b"")
    return stored


async def test_hashes_by_image_have_the_original_distances(original: OriginalClient, ids: dict[int, bytes]) -> None:
    for query in ids.values():
        found = await original.by_image("phash", query, k=10)
        assert {row["image_id"]: row["distance"] for row in found} == {
            image_id: phash_distance(query, data) for image_id, data in ids.items()
        }
        assert all(row.keys() == {"image_id", "distance"} and type(row["distance"]) is int for row in found)
        assert [row["distance"] for row in found] == sorted(row["distance"] for row in found)


async def test_hashes_by_id_are_compared_without_the_mirrored_ones(
    original: OriginalClient, ids: dict[int, bytes]
) -> None:
    for image_id, query in ids.items():
        found = await original.by_id("phash", image_id, k=10)
        assert found[0] == {"image_id": image_id, "distance": 0}
        assert {row["image_id"]: row["distance"] for row in found} == {
            other: hamming(phash(query), phash(data)) for other, data in ids.items()
        }


async def test_a_mirrored_picture_is_found_by_its_hash(original: OriginalClient, ids: dict[int, bytes]) -> None:
    mirrored = png(ImageOps.mirror(Image.open(io.BytesIO(ids[0])).convert("RGB")))
    [found] = await original.by_image("phash", mirrored, distance_threshold=64)
    assert found["image_id"] == 0
    assert found["distance"] == phash_distance(mirrored, ids[0]) <= 64


async def test_colors_have_the_original_distances(original: OriginalClient, ids: dict[int, bytes]) -> None:
    for image_id, query in ids.items():
        wanted = {other: color_distance(query, data) for other, data in ids.items()}
        for found in (
            await original.by_image("color", query, k=10),
            await original.by_id("color", image_id, k=10),
        ):
            assert {row["image_id"]: row["distance"] for row in found} == pytest.approx(wanted, rel=DIGITS, abs=2)
            assert [row["image_id"] for row in found] == sorted(wanted, key=lambda other: wanted[other])
            assert all(row.keys() == {"image_id", "distance"} and type(row["distance"]) is float for row in found)


@pytest.mark.parametrize("stem", ["phash", "color"])
async def test_k_gives_the_nearest_and_a_threshold_all_within_it(
    original: OriginalClient, ids: dict[int, bytes], stem: str
) -> None:
    everything = await original.by_image(stem, ids[1], k=10)
    assert await original.by_image(stem, ids[1], k=3) == everything[:3]
    assert await original.by_id(stem, 1, k=1) == everything[:1]
    limit = everything[3]["distance"]
    assert await original.by_image(stem, ids[1], distance_threshold=limit) == everything[:4]
    assert await original.by_image(stem, ids[1], distance_threshold=limit - 1) == everything[:3]
    assert await original.by_image(stem, ids[1], distance_threshold=0) == everything[:1]


async def test_numbers_in_json_may_be_strings_and_a_form_will_do_instead(
    http: httpx.AsyncClient, original: OriginalClient, ids: dict[int, bytes]
) -> None:
    wanted = await original.by_id("color", 2, k=3)
    path = "/color_get_similar_images_by_id"
    form = {"image_id": "2", "k": "3"}
    assert (await http.post(path, json={"image_id": "2", "k": "3"})).json() == wanted
    assert (await http.post(path, json={"image_id": 2, "k": 3, "distance_threshold": None})).json() == wanted
    assert (await http.post(path, data={**form, "distance_threshold": ""})).json() == wanted
    assert (await http.post(path, content=json.dumps(form))).json() == wanted
    assert (await http.post(path, files={name: (None, value) for name, value in form.items()})).json() == wanted


async def test_the_photos_have_the_distances_of_the_original_features(
    original: OriginalClient, shared_dir: Path
) -> None:
    """Of features that the original code itself computed."""
    goldens = json.loads((shared_dir / "golden/seed_features.json").read_text())
    names = [name for name, golden in goldens.items() if name.startswith("photos/") and max(golden["size"]) <= 1024]
    names = names[:12]
    for image_id, name in enumerate(names):
        for feature in ("phash", "color"):
            await original.calculate(feature, (shared_dir / name).read_bytes(), image_id)
    hashes = [np.unpackbits(np.frombuffer(bytes.fromhex(goldens[name]["phash"]), np.uint8)) for name in names]
    colors = [golden_histogram(goldens[name]["rgb_histogram"]) for name in names]
    for image_id in range(len(names)):
        bits = {row["image_id"]: row["distance"] for row in await original.by_id("phash", image_id, k=50)}
        assert all(abs(bits[i] - np.count_nonzero(hashes[image_id] != hashes[i])) <= 2 for i in range(len(names)))
        shares = {row["image_id"]: row["distance"] for row in await original.by_id("color", image_id, k=50)}
        wanted = {i: float(np.abs(colors[image_id] - colors[i]).sum()) for i in range(len(names))}
        assert shares == pytest.approx(wanted, abs=0.01 * HISTOGRAM_SUM)


def golden_histogram(cells: dict[str, float]) -> np.ndarray:
    made = np.zeros(512)
    for cell, share in cells.items():
        made[int(cell)] = share
    return made * HISTOGRAM_SUM


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()

"""The services for models' vectors and for keypoints: what they are asked, and the scales and shapes of the answers."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from graph.requests.messages import PartReport, SearchRequest
from tests.unit.graph.http.ambience.original_client import OriginalClient
from tests.unit.graph.http.ambience.scripted_catalog import ScriptedCatalog
from tests.unit.graph.http.fake_catalog import JPEG

VECTORS = [("global", "global_features"), ("image_text", "image_text_features")]


@pytest.mark.parametrize(("feature", "stem"), VECTORS)
async def test_vectors_have_squared_distances(
    scripted_original: OriginalClient, scripted: ScriptedCatalog, feature: str, stem: str
) -> None:
    scripted.hits[feature] = [("7", 0.0), ("12", 0.1234567), ("3", 0.5)]
    rows = [
        {"image_id": 7, "distance": 0.0},
        {"image_id": 12, "distance": 0.2469134},
        {"image_id": 3, "distance": 1.0},
    ]
    assert await scripted_original.by_image(stem, JPEG, k=20) == rows
    assert await scripted_original.by_id(stem, 7, k=20) == rows
    assert await scripted_original.by_image(stem, JPEG, distance_threshold=1) == rows
    assert await scripted_original.by_image(stem, JPEG, distance_threshold=0.2469134) == rows[:2]
    assert scripted.searched[-1].max_distance == pytest.approx({feature: 0.1234567})
    assert scripted.searched[-1].k == 1000


@pytest.mark.parametrize(("feature", "stem"), VECTORS)
async def test_expansion_is_asked_for_with_both_of_its_numbers(
    scripted_original: OriginalClient, scripted: ScriptedCatalog, feature: str, stem: str
) -> None:
    await scripted_original.by_image(stem, JPEG, k=5, aqe_n=3, aqe_alpha=2.5)
    await scripted_original.by_id(stem, 7, k=5, aqe_n=3, aqe_alpha=2.5)
    await scripted_original.by_image(stem, JPEG, k=5, aqe_n=3)
    await scripted_original.by_image(stem, JPEG, k=5, aqe_alpha=3)
    common: dict[str, Any] = {"features": (feature,), "k": 5, "weights": {feature: 1.0}, "is_judged": False}
    expanded = {**common, "params": {feature: {"aqe_n": 3, "aqe_alpha": 2.5}}}
    assert scripted.searched == [
        SearchRequest(images=(JPEG,), **expanded),
        SearchRequest(ids=("7",), **expanded),
        SearchRequest(images=(JPEG,), **common),
        SearchRequest(images=(JPEG,), **common),
    ]


async def test_a_sentence_is_searched_for(scripted_original: OriginalClient, scripted: ScriptedCatalog) -> None:
    scripted.hits["image_text"] = [("12", 0.7)]
    assert await scripted_original.by_text("a red bridge", k=20) == [{"image_id": 12, "distance": 1.4}]
    await scripted_original.by_text("a red bridge", distance_threshold=1.5, aqe_n="2", aqe_alpha="3")  # type: ignore[arg-type]
    assert [request.text for request in scripted.searched] == ["a red bridge"] * 2
    assert scripted.searched[1].params == {"image_text": {"aqe_n": 2, "aqe_alpha": 3.0}}


async def test_a_sentence_that_was_cut_is_still_searched_for(
    scripted_original: OriginalClient, scripted: ScriptedCatalog
) -> None:
    scripted.reports["image_text"] = PartReport("ok", 1.0, "12 tokens at its end were left out")
    scripted.hits["image_text"] = [("12", 0.7)]
    answer = await scripted_original.http.post(
        "/image_text_features_get_similar_images_by_text", json={"text": "a bridge", "k": 5}
    )
    assert answer.status_code == 200
    assert answer.headers["x-lookalike-incomplete"] == "image_text: 12 tokens at its end were left out"


async def test_keypoints_are_counted_the_most_first(
    scripted_original: OriginalClient, scripted: ScriptedCatalog
) -> None:
    scripted.hits["local"] = [("12", 83), ("a/b.jpg", 30), ("3", 9)]
    scripted.metadata = {"3": {"file_name": "bridge.jpg"}}
    rows = [
        {"image_id": 12, "file_name": "12.online", "matches": 83},
        {"image_id": "a/b.jpg", "file_name": "b.jpg", "matches": 30},
        {"image_id": 3, "file_name": "bridge.jpg", "matches": 9},
    ]
    assert await scripted_original.by_image("local_features", JPEG) == rows
    assert scripted.searched[-1].k == 1000
    assert await scripted_original.by_id("local_features", 12, k=2) == rows[:2]
    assert [request.params for request in scripted.searched] == [{"local": {"candidates": n}} for n in (100, 24)]


@pytest.mark.parametrize(("asked", "fewest"), [(1, 4), (4, 4), (20, 20), (5000, 1000)])
async def test_every_parameter_of_keypoints_is_taken_and_the_fewest_matches_count(
    scripted_original: OriginalClient, scripted: ScriptedCatalog, asked: int, fewest: int
) -> None:
    numbers: dict[str, float] = {
        "k": 200,
        "k_clusters": 10,
        "knn_min_matches": asked,
        "matching_threshold": 0.8,
        "use_smnn_matching": 1,
        "smnn_match_threshold": 0.8,
        "use_ransac": 1,
    }
    await scripted_original.by_image("local_features", JPEG, **numbers)
    await scripted_original.by_id("local_features", 12, **numbers)
    assert [request.params for request in scripted.searched] == [
        {"local": {"candidates": 100, "min_inliers": fewest}}
    ] * 2
    assert [request.k for request in scripted.searched] == [200, 200]


async def test_a_real_crop_is_found_by_its_keypoints(original: OriginalClient, photos: dict[str, bytes]) -> None:
    for image_id, name in enumerate(("astronaut.png", "chelsea.png", "coffee.png")):
        assert (await original.calculate("local", photos[name], image_id)).content == b""
    picture = Image.open(io.BytesIO(photos["astronaut.png"])).crop((160, 60, 420, 300))
    crop = io.BytesIO()
    picture.save(crop, "JPEG", quality=85)
    [found] = await original.by_image("local_features", crop.getvalue(), k=5, knn_min_matches=8)
    assert found == {"image_id": 0, "file_name": "0.online", "matches": found["matches"]}
    assert type(found["matches"]) is int
    assert found["matches"] >= 20
    own, *_ = await original.by_id("local_features", 0, k=5)
    assert own["image_id"] == 0
    assert own["matches"] > found["matches"]

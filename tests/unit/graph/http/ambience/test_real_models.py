"""The services for models' vectors over real models, small and untrained: by image, by id, by text, expanded."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from graph.config.settings import app_settings
from graph.http.app import create_http_app
from tests.unit.deployments.models.tiny_models import tiny_clip, tiny_dinov2
from tests.unit.graph.http.ambience.original_client import OriginalClient
from tests.unit.graph.http.conftest import BASE_URL
from tests.unit.graph.local_catalog import LocalService, local_service, photo
from tests.unit.waiting import wait_for

pytestmark = pytest.mark.slow

STEMS = {"global": "global_features", "image_text": "image_text_features"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LocalService]:
    models = {"global": tiny_dinov2(tmp_path / "dinov2"), "image_text": tiny_clip(tmp_path / "clip")}
    options = {name: {"model": str(folder), "precision": "float"} for name, folder in models.items()}
    with local_service(tmp_path / "data", {"phash": {}, **options}) as running:
        for name in models:
            wait_for(lambda name=name: running.extractors[name]._host.report().state == "ready", f"{name} is loaded")  # type: ignore[misc]
        yield running


async def test_vectors_are_searched_in_every_way(service: LocalService) -> None:
    await service.models.look()
    settings = app_settings(
        {"ambience": {"enabled": True}, "extractors": {name: {} for name in service.extractors}}, {}
    )
    app = create_http_app(lambda: service.catalog, settings)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE_URL) as http:
        original = OriginalClient(http)
        for image_id in range(4):
            for feature in STEMS:
                assert (await original.calculate(feature, photo(image_id), image_id)).content == b""
        for feature, stem in STEMS.items():
            found = await original.by_id(stem, 2, k=10)
            assert found[0] == {"image_id": 2, "distance": pytest.approx(0, abs=1e-5)}
            assert all(near["distance"] <= far["distance"] for near, far in itertools.pairwise(found))
            by_image = await original.by_image(stem, photo(2), k=10)
            assert [row["image_id"] for row in by_image] == [row["image_id"] for row in found]
            ours = (await http.post("/v1/search", json={"id": "2", "features": [feature]})).json()["results"]
            halves = {int(result["id"]): result["matches"][feature]["distance"] for result in ours}
            assert {row["image_id"]: row["distance"] / 2 for row in found} == pytest.approx(halves, rel=1e-5, abs=1e-6)
            expanded = await original.by_id(stem, 2, k=10, aqe_n=2, aqe_alpha=3)
            assert {row["image_id"] for row in expanded} == {0, 1, 2, 3}
            assert expanded != found
        by_text = await original.by_text("a red bridge", k=3)
        within = await original.by_text("a red bridge", distance_threshold=by_text[1]["distance"])
        assert within == by_text[:2]
        found = await original.reverse_search(photo(1))
        assert [*found] == ["global_features_res", "image_text_res", "unified_res"]
        assert found["unified_res"][0] == {"image_id": 1, "score": 2.0}

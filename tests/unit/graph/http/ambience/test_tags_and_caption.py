"""The services that put a picture into words."""

from __future__ import annotations

import httpx

from storage.errors import ExtractorUnavailable
from tests.unit.graph.http.ambience.original_client import OriginalClient
from tests.unit.graph.http.ambience.scripted_catalog import ScriptedCatalog
from tests.unit.graph.http.fake_catalog import JPEG
from tests.unit.graph.http.replies.test_errors import raising


async def test_tags_are_a_list_of_texts(scripted_original: OriginalClient, scripted: ScriptedCatalog) -> None:
    assert await scripted_original.tags(JPEG) == ["airliner", "wing"]
    assert scripted.annotated == [("tags", JPEG)]


async def test_a_caption_is_a_text(scripted_original: OriginalClient, scripted: ScriptedCatalog) -> None:
    assert await scripted_original.caption(JPEG) == "an airliner over the sea"
    assert scripted.annotated == [("caption", JPEG)]


async def test_a_missing_model_says_how_to_get_it(scripted_http: httpx.AsyncClient, scripted: ScriptedCatalog) -> None:
    scripted.before = raising(ExtractorUnavailable("no weights", "lookalike models pull"))
    answer = await scripted_http.post("/get_image_caption", files={"image": ("document", JPEG)})
    assert (answer.status_code, answer.json()["detail"]) == (503, "no weights (lookalike models pull)")

"""A service one of whose extractors does not load: it says so, and everything else goes on."""

from __future__ import annotations

import pytest

from graph.client import Client
from lookalike_client.answers import AddedImage
from tests.e2e.raw_http import form, outcome, raw_client
from tests.e2e.running_service import RunningService
from tests.unit.graph.local_catalog import photo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def test_an_extractor_that_cannot_load_leaves_its_feature_pending(
    running: RunningService, client: Client, half_done: AddedImage
) -> None:
    assert client.ready().ready
    features = {feature.name: feature for feature in client.features()}
    assert features["fake"].state == "unavailable"
    assert "told not to load" in features["fake"].reason
    assert features["phash"].state == "ready"
    assert half_done.features == {"phash": "ok", "color": "ok", "local": "ok", "fake": "pending"}
    assert client.stats().pending["fake"] == client.stats().images
    answer = client.search(image=photo(1))
    assert (answer.results[0].id, answer.partial) == ("one", False)  # nobody asked for what is not set up here
    assert answer.features["fake"].status == "unavailable"
    with raw_client(running.url) as http:
        alone = http.post("/v1/search", files=form(photo(1)), data={"features": "fake"})
        assert outcome(alone) == (503, "extractor_unavailable")
        assert alone.headers["Retry-After"]

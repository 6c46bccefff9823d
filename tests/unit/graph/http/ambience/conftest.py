"""The original routes over a whole catalogue in this process, and over its twin that only notes what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from graph.catalog.catalog import Catalog
from graph.config.settings import app_settings
from graph.http.app import create_http_app
from tests.unit.graph.http.ambience.original_algorithms import packaged_photos
from tests.unit.graph.http.ambience.original_client import OriginalClient
from tests.unit.graph.http.ambience.scripted_catalog import ScriptedCatalog
from tests.unit.graph.http.conftest import BASE_URL, Applications, MakeClient
from tests.unit.graph.http.documented import checking
from tests.unit.graph.local_catalog import LocalService, local_service

EVERYTHING: dict[str, Any] = {
    "ambience": {"enabled": True},
    "extractors": {name: {} for name in ("phash", "color", "local", "global", "image_text")},
    "annotators": {"tags": {}, "caption": {}},
}


@pytest.fixture(scope="session")
def photos() -> dict[str, bytes]:
    return packaged_photos()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LocalService]:
    with local_service(tmp_path, {"phash": {}, "color": {}, "local": {}}) as running:
        yield running


class ServedApp:
    """One application for whatever catalogue is current: to make one takes longer than most tests."""

    def __init__(self, ambience: dict[str, Any]) -> None:
        self.catalog: Catalog | None = None
        self._app = create_http_app(self._current, app_settings({"ambience": ambience}, {}))

    def _current(self) -> Catalog:
        assert self.catalog is not None
        return self.catalog

    def client(self, catalog: Catalog) -> httpx.AsyncClient:
        self.catalog = catalog
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self._app),
            base_url=BASE_URL,
            event_hooks={"response": [checking(self._app)]},
        )


@pytest.fixture(scope="session")
def served() -> ServedApp:
    return ServedApp({"enabled": True})


@pytest.fixture(scope="session")
def served_with_file_names() -> ServedApp:
    return ServedApp({"enabled": True, "filenames": True})


@pytest.fixture
async def http(served: ServedApp, service: LocalService) -> AsyncIterator[httpx.AsyncClient]:
    """Both surfaces of the service, as `configs/local.yaml` has them."""
    async with served.client(service.catalog) as client:
        yield client


@pytest.fixture
def original(http: httpx.AsyncClient) -> OriginalClient:
    return OriginalClient(http)


@pytest.fixture
async def named(served_with_file_names: ServedApp, service: LocalService) -> AsyncIterator[OriginalClient]:
    """Where file names are switched on."""
    async with served_with_file_names.client(service.catalog) as client:
        yield OriginalClient(client)


@pytest.fixture
def scripted(applications: Applications, make_client: MakeClient) -> ScriptedCatalog:
    """Behind `scripted_http`, where every feature and annotator is configured."""
    catalog = ScriptedCatalog()
    applications.catalog = catalog
    return catalog


@pytest.fixture
def scripted_http(make_client: MakeClient, scripted: ScriptedCatalog) -> httpx.AsyncClient:
    return make_client(EVERYTHING)


@pytest.fixture
def scripted_original(scripted_http: httpx.AsyncClient) -> OriginalClient:
    return OriginalClient(scripted_http)

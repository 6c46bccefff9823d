"""The HTTP application over the in-memory catalogue, without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from graph.http.app import create_http_app
from graph.http.observing import RequestMetrics
from graph.settings import app_settings
from tests.unit.graph.http.fake_catalog import FakeCatalog

BASE_URL = "http://127.0.0.1:8000"

MakeClient = Callable[..., httpx.AsyncClient]


@pytest.fixture
def catalog() -> FakeCatalog:
    return FakeCatalog()


@pytest.fixture
async def make_client(catalog: FakeCatalog) -> AsyncIterator[MakeClient]:
    """Makes clients of applications with the given settings; ``app`` options go by ``metrics`` and ``headers``."""
    async with AsyncExitStack() as stack:

        def make(
            args: dict[str, Any] | None = None,
            *,
            headers: dict[str, str] | None = None,
            metrics: RequestMetrics | None = None,
            base_url: str = BASE_URL,
            sends_request_id: bool = True,
        ) -> httpx.AsyncClient:
            settings = app_settings(args or {}, {})
            app = create_http_app(lambda: catalog, settings, metrics=metrics, sends_request_id=sends_request_id)
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=base_url, headers=headers)
            stack.push_async_callback(client.aclose)
            return client

        yield make


@pytest.fixture
def client(make_client: MakeClient) -> httpx.AsyncClient:
    return make_client()

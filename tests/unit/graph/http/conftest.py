"""The HTTP application over the in-memory catalogue, without a socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from graph.config.settings import app_settings
from graph.http.app import create_http_app
from graph.http.guards.observing import RequestMetrics
from tests.unit.graph.http.documented import checking
from tests.unit.graph.http.fake_catalog import FakeCatalog

BASE_URL = "http://127.0.0.1:8000"

MakeClient = Callable[..., httpx.AsyncClient]


class Applications:
    """Applications by their settings, over whatever catalogue is current: to make one takes longer than most tests."""

    def __init__(self) -> None:
        self.catalog = FakeCatalog()
        self._made: dict[str, FastAPI] = {}

    def get(self, args: dict[str, Any]) -> FastAPI:
        key = json.dumps(args, sort_keys=True)
        if "limits" in args:  # a queue that was waited in belongs to the event loop of its test
            return self.make(args)
        if key not in self._made:
            self._made[key] = self.make(args)
        return self._made[key]

    def make(self, args: dict[str, Any], **options: Any) -> FastAPI:
        return create_http_app(lambda: self.catalog.parts(), app_settings(args, {}), **options)


@pytest.fixture(scope="session")
def applications() -> Applications:
    return Applications()


@pytest.fixture
def catalog(applications: Applications) -> FakeCatalog:
    applications.catalog = FakeCatalog()
    return applications.catalog


@pytest.fixture
async def make_client(applications: Applications, catalog: FakeCatalog) -> AsyncIterator[MakeClient]:
    """Makes clients of applications with the given ``args``; headers and base URL are the client's own."""
    async with AsyncExitStack() as stack:

        def make(
            args: dict[str, Any] | None = None,
            *,
            headers: dict[str, str] | None = None,
            metrics: RequestMetrics | None = None,
            base_url: str = BASE_URL,
            sends_request_id: bool = True,
        ) -> httpx.AsyncClient:
            if metrics is None and sends_request_id:
                app = applications.get(args or {})
            else:
                app = applications.make(args or {}, metrics=metrics, sends_request_id=sends_request_id)
            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app),
                base_url=base_url,
                headers=headers,
                event_hooks={"response": [checking(app)]},
            )
            stack.push_async_callback(client.aclose)
            return client

        yield make


@pytest.fixture
def client(make_client: MakeClient) -> httpx.AsyncClient:
    return make_client()

from __future__ import annotations

from typing import Any

import httpx
import pytest

from lookalike_client import Client
from tests.suites.client_suite import ROW, URL, ClientSuite, Service, reply


class TestClient(ClientSuite):
    def client(self, service: Service, **options: Any) -> Client:
        return Client(URL, transport=httpx.MockTransport(service), **options)


def test_closes_at_the_end_of_its_block() -> None:
    with Client(URL, transport=httpx.MockTransport(Service(reply(ROW)))) as client:
        client.get("x")
    with pytest.raises(RuntimeError, match="closed"):
        client.get("x")

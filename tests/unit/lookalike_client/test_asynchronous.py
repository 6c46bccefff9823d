from __future__ import annotations

import inspect
from typing import Any

import httpx
import pytest

from lookalike_client import AsyncClient, Client
from lookalike_client.generate import FOLDER, MADE, asynchronous
from tests.suites.client_suite import ROW, URL, ClientSuite, Service, reply


class TestAsyncClient(ClientSuite):
    def client(self, service: Service, **options: Any) -> AsyncClient:
        return AsyncClient(URL, transport=httpx.MockTransport(service), **options)


async def test_closes_at_the_end_of_its_block() -> None:
    async with AsyncClient(URL, transport=httpx.MockTransport(Service(reply(ROW)))) as client:
        await client.get("x")
    with pytest.raises(RuntimeError, match="closed"):
        await client.get("x")


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    def signatures(client: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(client, inspect.isfunction)
            if not name.startswith("_") and name not in {"close", "aclose"}
        }

    assert signatures(Client) == signatures(AsyncClient)


@pytest.mark.parametrize("file", MADE)
def test_it_is_what_the_blocking_client_makes(file: str) -> None:
    twin = (FOLDER / MADE[file]).read_text("utf-8")
    assert twin == asynchronous(file), "run python -m lookalike_client.generate, or make format"

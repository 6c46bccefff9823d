"""The service that end-to-end tests share where they leave it as well as they found it: a start takes a while."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from graph.client import Client
from tests.e2e.running_service import RunningService, service


@pytest.fixture(scope="session")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A running service on ``configs/test.yaml``, for the whole session."""
    with service(tmp_path_factory.mktemp("shared-service") / "data") as running:
        yield running


@pytest.fixture
def client(shared_service: RunningService) -> Iterator[Client]:
    with Client(shared_service.url) as client:
        yield client

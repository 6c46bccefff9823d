"""Autoscaling by YAML alone: a load raises the replicas of the extractor that asked for it, and of no other; its end
lowers them again.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from graph.client import Client
from storage.errors import Busy
from tests.e2e.running_service import RunningService, service, wait_for
from tests.e2e.service_config import write_config
from tests.unit.graph.local_catalog import photo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]

CLIENTS = 32
AUTOSCALING = {
    "min_replicas": 1,
    "max_replicas": 3,
    "upscale_delay_s": 1,
    "downscale_delay_s": 5,
    "metrics_interval_s": 1,
    "look_back_period_s": 2,
}


@pytest.fixture(scope="module")
def scaling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("scaling")
    config = write_config(folder / "config.yaml", deployments={"phash": {"autoscaling_config": AUTOSCALING}})
    with service(folder / "data", config=config) as running:
        yield running


@contextlib.contextmanager
def load(running: RunningService) -> Iterator[Counter[str]]:
    """Searches by ``CLIENTS`` clients at once; counts how they went."""
    stop = threading.Event()
    outcomes: Counter[str] = Counter()
    picture = photo(1)

    def ask() -> None:
        with Client(running.url, retries=0) as client:
            while not stop.is_set():
                try:
                    answer = client.search(image=picture, features=["phash"], k=1)
                    outcomes["partial" if answer.partial else "complete"] += 1
                except Busy:
                    outcomes["busy"] += 1

    with ThreadPoolExecutor(CLIENTS) as threads:
        asking = [threads.submit(ask) for _ in range(CLIENTS)]
        try:
            yield outcomes
        finally:
            stop.set()
        for one in asking:
            one.result()


def test_a_load_raises_the_replicas_of_phash_alone_and_its_end_lowers_them(scaling: RunningService) -> None:
    with Client(scaling.url) as client:

        def replicas() -> dict[str, int]:
            return {feature.name: feature.replicas for feature in client.features()}

        client.add(photo(1), id="one")
        wait_for(lambda: replicas() == {"phash": 1, "color": 1, "fake": 1}, "one replica each")
        with load(scaling) as outcomes:
            wait_for(lambda: replicas()["phash"] > 1, "the load raises the replicas", 90)
            raised = replicas()
            assert raised["color"] == raised["fake"] == 1
            assert re.search(r"phash\s.*exact\s+[23]\s", scaling.run("status").stdout)
        assert outcomes["complete"] > 100
        assert outcomes["partial"] == 0
        wait_for(lambda: replicas()["phash"] == 1, "its end lowers them again", 90)
        assert replicas() == {"phash": 1, "color": 1, "fake": 1}

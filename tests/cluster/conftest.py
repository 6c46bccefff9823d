"""One Ray cluster for the tests of a module: a start takes a while. Its GPU is a number that Ray counts."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator

import pytest
import ray
from ray._private import ray_constants
from ray._raylet import Config  # type: ignore[attr-defined]

from graph.serving.environment import ALONE, RAY
from graph.serving.local_ray import LOOPBACK, free_port, head_options, start_command, wait_until_started
from storage.cluster.fleet import NAMESPACE

SIZE = {"num_cpus": 2, "num_gpus": 1, "object_store_memory": 200 << 20, "include_dashboard": False}


@pytest.fixture(scope="module")  # no longer: what Ray reads here must not reach a service of another test
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster of 2 CPUs and 1 GPU, to which this process belongs."""
    port, log = free_port(), tmp_path_factory.mktemp("ray") / "log"
    with pytest.MonkeyPatch.context() as patched, log.open("wb") as output:
        for name, value in {**RAY, **ALONE, "RAY_AUTH_TOKEN": secrets.token_hex(32)}.items():
            patched.setenv(name, value)
        patched.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)  # read once, when Ray is imported
        process = subprocess.Popen(
            start_command({**head_options(port), **SIZE}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_until_started(process, log)
            Config.initialize("")  # reads the environment once more: this process may have imported Ray before
            ray.init(address=f"{LOOPBACK}:{port}", namespace=NAMESPACE, log_to_driver=False)
            yield f"{LOOPBACK}:{port}"
        finally:
            ray.shutdown()
            os.killpg(process.pid, signal.SIGKILL)  # it has nothing to save
            process.wait()

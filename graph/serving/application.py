"""The application on a Ray that is up: deploying it, waiting until it can answer, ending it."""

from __future__ import annotations

import contextlib
import itertools
import logging
import signal
import socket
import time
from collections.abc import Mapping
from typing import Any

import httpx
import ray
from ray import serve
from ray.serve._private.api import _create_controller_and_proxy_refs, serve_start
from ray.serve._private.client import ServeControllerClient
from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE
from ray.serve.config import ControllerOptions
from ray.serve.context import _set_global_client
from ray.serve.schema import ServeDeploySchema

from graph.config.serve_file import ServeConfig
from graph.serving.local_ray import LOOPBACK
from graph.serving.stop_signals import SIGNALS
from storage.cluster.fleet import ShardFleet
from storage.cluster.plan import FleetPlan
from storage.errors import Unavailable

READY_TIMEOUT_S = 180.0
READY_POLL_S = 0.05
STATUS_EVERY = 20  # of the polls: asking Serve how it does costs its controller something
END_TIMEOUT_S = 30.0
PORT_CLOSED_TIMEOUT_S = 2.0


def connect(address: str) -> None:
    """Makes this process a driver of Ray, but one that ends as it wants and is quiet. Ray would end it with a trace on
    SIGTERM, and print a paragraph for each process that dies, which its logs have.
    """
    worker: Any = ray._private.worker
    worker.print_to_stdstream = ignored
    utils: Any = ray._private.utils
    utils.set_sigterm_handler = ignored
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        ray.init(address=address, namespace="lookalike", log_to_driver=False, logging_level=logging.WARNING)
        for number in SIGNALS:  # in the place of those that Ray's C++ has put there
            signal.signal(number, signal.getsignal(number))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignored(*_: Any, **__: Any) -> None: ...


def disconnect() -> None:
    ray.shutdown()


def deploy(config: ServeConfig) -> None:
    """Hands the document to Serve, as ``serve deploy`` would."""
    schema = serve_schema(config.document)
    client = serve_start(http_options=schema.http_options.model_dump(), proxy_location=schema.proxy_location)
    client.deploy_apps(schema)


def deploy_alone(config: ServeConfig, plan: FleetPlan) -> None:
    """As `deploy`, on a Ray without Serve. ``serve_start`` would wait for the proxies, and the shards for a router."""
    schema = serve_schema(config.document_behind_haproxy())
    controller, _proxies = _create_controller_and_proxy_refs(
        http_options=schema.http_options.model_dump(),
        grpc_options=None,
        global_logging_config=None,
        global_tracing_config=None,
        controller_options=ControllerOptions(),
        proxy_location=schema.proxy_location,
    )
    client = ServeControllerClient(controller)
    _set_global_client(client)
    client.deploy_apps(schema)
    ShardFleet(plan).start()


def serve_schema(document: Mapping[str, Any]) -> ServeDeploySchema:
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    return ServeDeploySchema.model_validate(dict(document))


def wait_until_ready(config: ServeConfig, shards: ShardFleet | None = None) -> None:
    """Until the application runs and says that it can answer. Raises Unavailable with Serve's reason when it cannot, or
    the ShardBroken of one of the shards.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    missing = "no answer yet"
    # It is asked under an address that its certificate need not have, and is told no secret.
    base_url = f"{config.scheme}://{reached_at(config)}:{config.port}"
    with httpx.Client(base_url=base_url, timeout=5.0, trust_env=False, verify=False) as http:
        for attempt in itertools.count():
            if attempt % STATUS_EVERY == 0:
                check_deployment(config)
                if shards is not None:
                    shards.check_opening()
            with contextlib.suppress(httpx.HTTPError):
                answer = http.get("/readyz")
                if answer.status_code == 200:
                    return
                missing = answer.text[:300]
            if time.monotonic() > deadline:
                break
            time.sleep(READY_POLL_S)
    raise Unavailable(
        f"the service is not ready after {READY_TIMEOUT_S:.0f} s: {missing}", "see the Ray dashboard or its logs"
    )


def check_deployment(config: ServeConfig) -> None:
    """Raises Unavailable with Serve's reason when it has given up."""
    name = config.document["applications"][config.application].get("name", "default")
    status = serve.status().applications.get(name)
    if status is not None and status.status == "DEPLOY_FAILED":
        lines = [line.strip() for line in status.message.splitlines() if line.strip()]
        reason = lines[-1] if lines else "no reason given"
        raise Unavailable(f"the application cannot be deployed: {reason}", "see the Ray dashboard or its logs")


def stop(config: ServeConfig, plan: FleetPlan, *, ray_ends_too: bool) -> None:
    """Requests first, then the shards, so that their indexes are saved and their folders free. On a Ray that ends with
    us Serve closes the port first, and nobody waits for what else it does in the end.
    """
    with contextlib.suppress(Exception):
        end_serve()
        if ray_ends_too:
            wait_until_closed(config)
        else:
            wait_until_serve_ended()
    with contextlib.suppress(Exception):
        ShardFleet(plan).close()


def end_serve() -> None:
    """Asks Serve to end in order. ``serve.shutdown()`` waits inside a call to the controller, which dies in the middle
    of it, and Ray then complains of that on the terminal.
    """
    controller: Any = ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
    ray.get(controller.graceful_shutdown.remote(wait=False), timeout=END_TIMEOUT_S)


def wait_until_serve_ended() -> None:
    deadline = time.monotonic() + END_TIMEOUT_S
    while time.monotonic() < deadline:
        named = ray.util.list_named_actors(all_namespaces=True)
        if {"name": SERVE_CONTROLLER_NAME, "namespace": SERVE_NAMESPACE} not in named:
            return
        time.sleep(0.1)


def wait_until_closed(config: ServeConfig) -> None:
    """Until nobody listens on the service's port any more."""
    deadline = time.monotonic() + PORT_CLOSED_TIMEOUT_S
    with contextlib.suppress(OSError):
        while time.monotonic() < deadline:
            socket.create_connection((reached_at(config), config.port), timeout=PORT_CLOSED_TIMEOUT_S).close()
            time.sleep(0.02)


def reached_at(config: ServeConfig) -> str:
    """The host under which this machine reaches its own service."""
    return LOOPBACK if config.host in ("0.0.0.0", "::") else config.host

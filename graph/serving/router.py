"""The ingress deployment: HTTP in front, the catalogue behind it, and the upkeep of shards and pending features
beside it.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ray
from ray import serve
from ray.serve.handle import DeploymentHandle

from deployments.extractors.profile import extractor_profiles
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import warm_up
from graph.catalog.catalog import build_catalog
from graph.config.fleet_plan import fleet_plan
from graph.config.settings import DEFAULT_WEIGHTS, AppSettings
from graph.http.app import create_http_app
from graph.http.guards.limits import Admission
from graph.jobs.ray_jobs import RayJobs
from graph.ports.ray_shard import RayShardPort
from graph.ports.replica_calls import ReplicaCounts
from graph.requests.decoding import Decoding
from graph.requests.timing import Timeouts
from graph.serving.configured_ports import annotator_ports, extractor_ports
from graph.serving.metrics import RayMetrics
from graph.upkeep.models import ModelKeeper
from graph.upkeep.pending import PendingFeatures
from storage.cluster.fleet import ShardFleet
from storage.errors import LookalikeError

logger = logging.getLogger(__name__)

UPKEEP_INTERVAL_S = 5.0
MODELS_INTERVAL_S = 2.0
WRITE_RESERVE_S = 10.0  # of the time for a request, for the write of an added picture
GC_THRESHOLDS = (10_000, 20, 20)  # at Python's own, collecting garbage takes a thirtieth of a busy router


class Router:
    """Wires the catalogue to Ray. Several replicas may run: all state is in the shards."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        extractors: Mapping[str, DeploymentHandle[Any]],
        annotators: Mapping[str, DeploymentHandle[Any]],
    ) -> None:
        warm_up()
        gc.set_threshold(*GC_THRESHOLDS)
        self._settings = AppSettings.model_validate(settings)
        profiles = extractor_profiles(self._settings.extractors)
        plan = fleet_plan(self._settings, profiles)
        fleet = ShardFleet(plan)
        self._metrics = RayMetrics()
        shards = [RayShardPort(index, fleet) for index in range(self._settings.shards)]
        replicas = self._replicas = ReplicaCounts(serve.get_replica_context().app_name)
        ports = extractor_ports(self._settings, extractors, profiles, replicas)
        annotating = annotator_ports(self._settings, annotators, ports, replicas)
        self._models = ModelKeeper(
            extractors=ports,
            shards=shards,
            options=self._settings.extractors,
            timeout_s=self._settings.limits.shard_timeout_s,
        )
        self._jobs = RayJobs(records=shards[0], settings=self._settings, cluster=ray.get_runtime_context().gcs_address)
        decoding = Decoding(
            ThreadPoolExecutor(2 * (os.cpu_count() or 1), thread_name_prefix="decode"),
            DecodeLimits(max_pixels=self._settings.limits.max_pixels),
            self._metrics,
        )
        self._catalog = build_catalog(
            extractors=ports,
            annotators=annotating,
            shards=shards,
            jobs=self._jobs,
            decoding=decoding,
            timeouts=timeouts(self._settings),
            max_results=self._settings.limits.max_results,
            default_weights={**DEFAULT_WEIGHTS, **self._settings.weights},
            keeps_originals=plan.settings.keeps_originals,
            metrics=self._metrics,
        )
        self._pending = PendingFeatures(
            extractors=ports,
            annotators=annotating,
            shards=shards,
            prepare=decoding.prepare,
            timeout_s=self._settings.limits.write_timeout_s,
            interval_s=self._settings.backfill_interval_s,
        )
        self._admission = Admission(
            self._settings.limits.max_concurrent_requests, self._settings.limits.max_queued_requests
        )
        self._fleet = fleet
        self._upkeep: list[asyncio.Task[None]] = []

    def __serve_build_asgi_app__(self) -> Any:
        """Called by Serve on the replica's event loop, which the upkeep then runs on."""
        upkeep = [self._keep_shards(), self._fill_pending(), self._keep_models()]
        self._upkeep = [asyncio.create_task(task) for task in upkeep]
        return create_http_app(
            lambda: self._catalog,
            self._settings,
            metrics=self._metrics,
            admission=self._admission,
            sends_request_id=False,
        )

    async def _keep_shards(self) -> None:
        """Creates the shards, then keeps the gauges of what they hold; a dead shard is found again by the first call
        that misses it.
        """
        try:
            await asyncio.to_thread(self._fleet.start)
        except Exception:
            logger.exception("the shards cannot be started; each call tries again")
        while True:
            try:
                self._metrics.flush(self._admission.queued)
                await self._replicas.refresh()
                self._metrics.service(await self._catalog.service.stats())
            except LookalikeError as failure:
                logger.warning("no statistics: %s", failure)
            except Exception:
                logger.exception("the upkeep of the shards failed; it goes on")
            await asyncio.sleep(UPKEEP_INTERVAL_S)

    async def _keep_models(self) -> None:
        while self._models.has_work:
            try:
                await self._models.look()
            except LookalikeError as failure:
                logger.info("models are looked at again: %s", failure)
            except Exception:
                logger.exception("looking at the models failed; it is tried again")
            await asyncio.sleep(MODELS_INTERVAL_S)

    async def _fill_pending(self) -> None:
        while True:
            await asyncio.sleep(self._settings.backfill_interval_s)
            try:
                filled = await self._pending.fill()
                if filled:
                    logger.info("filled in %d pending features", filled)
            except LookalikeError as failure:
                logger.warning("pending features stay pending: %s", failure)
            except Exception:
                logger.exception("filling pending features failed; it is tried again")


def timeouts(settings: AppSettings) -> Timeouts:
    limits = settings.limits
    return Timeouts(
        search_s=limits.search_timeout_s,
        extractor_s=limits.extractor_timeout_s,
        annotator_s=limits.annotator_timeout_s,
        add_s=max(1.0, limits.request_timeout_s - WRITE_RESERVE_S),
        shard_s=limits.shard_timeout_s,
        write_s=limits.write_timeout_s,
        verify_s=limits.verify_timeout_s,
        train_s=limits.train_timeout_s,
    )


def router_deployment(
    settings: Mapping[str, Any],
    extractors: Mapping[str, serve.Application],
    annotators: Mapping[str, serve.Application],
) -> serve.Application:
    """The deployment, named ``router`` for the YAML's ``deployments:``. Requests are bounded by our own limits,
    inside it.
    """
    ingress = serve.ingress()(Router)
    deployment = serve.deployment(
        name="router",
        max_ongoing_requests=1000,
        max_queued_requests=1000,
        ray_actor_options={"num_cpus": 0.2},
        health_check_period_s=5,
        health_check_timeout_s=30,
        graceful_shutdown_timeout_s=10,
        # Our metrics count requests; a log line each, even one that no handler takes, costs more than it tells.
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )(ingress)
    return deployment.bind(settings, dict(extractors), dict(annotators))

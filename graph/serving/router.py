"""The ingress deployment: HTTP in front, the catalogue behind it, and the upkeep of shards and pending features
beside it.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ray
from ray import serve
from ray.serve.handle import DeploymentHandle

from deployments.annotators.registry import validate_annotator_config
from deployments.extractors.profile import ExtractorProfile, extractor_profiles
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import warm_up
from graph.catalog.catalog import build_catalog
from graph.config.fleet_plan import fleet_plan
from graph.config.settings import DEFAULT_WEIGHTS, TEXT_EXTRACTOR, AppSettings, is_zero_shot
from graph.figures.exposition import stored_families
from graph.figures.figures import Figures
from graph.figures.routers import Answer, Question, RoutersFigures
from graph.http.app import create_http_app
from graph.http.guards.limits import Admission
from graph.jobs.ray_jobs import RayJobs
from graph.ports.contract import AnnotatorPort
from graph.ports.ray_extractor import RayAnnotatorPort, RayExtractorPort
from graph.ports.ray_shard import RayShardPort
from graph.ports.replica_calls import RayPart, ReplicaCounts
from graph.ports.zero_shot import ZeroShotPort
from graph.requests.decoding import Decoding
from graph.requests.messages import SearchAnswer, SearchRequest
from graph.requests.timing import Timeouts
from graph.serving.metrics import RayMetrics
from graph.serving.other_routers import RayRouters
from graph.upkeep.models import ModelKeeper
from graph.upkeep.pending import PendingFeatures
from storage.cluster.fleet import ShardFleet
from storage.errors import LookalikeError

logger = logging.getLogger(__name__)

UPKEEP_INTERVAL_S = 5.0
MODELS_INTERVAL_S = 2.0
WATCH_INTERVAL_S = 10.0
TELL_INTERVAL_S = 1.0  # shorter than a router that is scaled away goes on
WATCH_LEASE = "watching folders"
WRITE_RESERVE_S = 10.0  # of the time for a request, for the write of an added picture
EXTRACTOR_BATCH = 16  # calls that travel together, where its options name no batch size
ANNOTATOR_BATCH = 1  # a caption takes seconds on a CPU: nobody waits for the captions of others
GC_THRESHOLDS = (10_000, 20, 20)  # at Python's own, collecting garbage takes a thirtieth of a busy router

Handles = Mapping[str, DeploymentHandle[Any]]


class Router:
    """Wires the catalogue to Ray. Several replicas may run: all state is in the shards."""

    def __init__(self, settings: Mapping[str, Any], extractors: Handles, annotators: Handles) -> None:
        log_where_serve_does()
        warm_up()
        gc.set_threshold(*GC_THRESHOLDS)
        self._settings = AppSettings.model_validate(settings)
        profiles = extractor_profiles(self._settings.extractors)
        plan = fleet_plan(self._settings, profiles)
        self._fleet = ShardFleet(plan)
        self._metrics = Figures()
        self._ray_metrics = RayMetrics()
        self._routers = RoutersFigures(self._metrics, RayRouters("answer_figures"))
        shards = self._shards = [RayShardPort(index, self._fleet) for index in range(self._settings.shards)]
        self._holder = uuid.uuid4().hex
        application = serve.get_replica_context().app_name
        replicas = self._replicas = ReplicaCounts(application)
        ports = extractor_ports(self._settings, extractors, profiles, replicas)
        annotating = annotator_ports(self._settings, annotators, ports, replicas)
        self._models = ModelKeeper(
            extractors=ports,
            shards=shards,
            options=self._settings.extractors,
            timeout_s=self._settings.limits.shard_timeout_s,
        )
        decoding = Decoding(
            ThreadPoolExecutor(2 * (os.cpu_count() or 1), thread_name_prefix="decode"),
            DecodeLimits(max_pixels=self._settings.limits.max_pixels),
            self._metrics,
        )
        self._catalog = build_catalog(
            extractors=ports,
            annotators=annotating,
            shards=shards,
            jobs=RayJobs(
                records=shards[0],
                settings=self._settings,
                cluster=ray.get_runtime_context().gcs_address,
                application=application,
            ),
            decoding=decoding,
            timeouts=timeouts(self._settings),
            max_results=self._settings.limits.max_results,
            default_weights={**DEFAULT_WEIGHTS, **self._settings.weights},
            keeps_originals=plan.settings.keeps_originals,
            metrics=self._metrics,
            roots=self._settings.readable_roots,
        )
        self._pending = PendingFeatures(
            extractors=ports,
            annotators=annotating,
            shards=shards,
            prepare=decoding.prepare,
            timeout_s=self._settings.limits.write_timeout_s,
            interval_s=self._settings.backfill_interval_s,
        )
        self._admission = Admission(self._settings.limits)
        self._metrics.watch("lookalike_queued_requests", lambda: self._admission.queued)
        self._metrics.watch("lookalike_active_requests", lambda: self._admission.active)
        self._metrics.watch("lookalike_uploads_in_flight", lambda: self._admission.uploads)

    def __serve_build_asgi_app__(self) -> Any:
        """Called by Serve on the replica's event loop, which the upkeep then runs on."""
        work = (self._keep_shards(), self._fill_pending(), self._keep_models(), self._keep_watching(), self._tell())
        self._upkeep = list(map(asyncio.create_task, work))  # kept, or they would be collected under way
        return create_http_app(
            lambda: self._catalog,
            self._settings,
            figures=self._routers,
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
                self._ray_metrics.hand_over(self._metrics.families())
                await self._replicas.refresh()
                await self._catalog.searches.keep_up()
                self._ray_metrics.hand_over(stored_families(await self._catalog.service.stats()))
            except LookalikeError as failure:
                logger.warning("no statistics: %s", failure)
            except Exception:
                logger.exception("the upkeep of the shards failed; it goes on")
            await asyncio.sleep(UPKEEP_INTERVAL_S)

    async def answer_figures(self, question: Question) -> Answer:
        """To another router."""
        return self._routers.answer(question)

    async def search(self, request: SearchRequest) -> SearchAnswer:
        """For a job of this cluster, which needs no key."""
        return await self._catalog.searches.search(request)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(TELL_INTERVAL_S)
            try:
                await self._routers.tell()
            except Exception:
                logger.exception("the other routers were not told of the figures; it is tried again")

    async def _keep_models(self) -> None:
        while self._models.has_work:
            try:
                await self._models.look()
            except LookalikeError as failure:
                logger.info("models are looked at again: %s", failure)
            except Exception:
                logger.exception("looking at the models failed; it is tried again")
            await asyncio.sleep(MODELS_INTERVAL_S)

    async def _keep_watching(self) -> None:
        """Folders that are watched are watched again after a restart, or when the job that did was killed."""
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            try:
                first, lease_s = self._shards[0], 3 * WATCH_INTERVAL_S
                if await first.lease(WATCH_LEASE, self._holder, lease_s, timeout_s=WATCH_INTERVAL_S):
                    await self._catalog.library.resume()
            except LookalikeError as failure:
                logger.info("watched folders are looked at again: %s", failure)
            except Exception:
                logger.exception("watching folders failed; it is tried again")

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


def log_where_serve_does() -> None:
    """Warnings and errors of ours, to the replica's own log. Without a handler they go to standard error, which Serve
    takes for what is not worth keeping.
    """
    for handler in logging.getLogger("ray.serve").handlers:
        logging.getLogger().addHandler(handler)


def extractor_ports(
    settings: AppSettings, handles: Handles, profiles: Mapping[str, ExtractorProfile], replicas: ReplicaCounts
) -> dict[str, RayExtractorPort]:
    ports = {}
    for name, handle in handles.items():
        batch = int(settings.extractors[name].get("batch_size", EXTRACTOR_BATCH))
        ports[name] = RayExtractorPort(RayPart(name, handle, replicas=replicas, batch=batch), profiles[name])
    return ports


def annotator_ports(
    settings: AppSettings, handles: Handles, extractors: Mapping[str, RayExtractorPort], replicas: ReplicaCounts
) -> dict[str, AnnotatorPort]:
    """Over its deployment, or over the extractor whose vectors it needs."""
    ports: dict[str, AnnotatorPort] = {}
    for name, options in settings.annotators.items():
        config = validate_annotator_config(name, options)
        if is_zero_shot(options):
            ports[name] = ZeroShotPort(name, config, extractors[TEXT_EXTRACTOR])
            continue
        part = RayPart(name, handles[name], replicas=replicas, batch=int(options.get("batch_size", ANNOTATOR_BATCH)))
        ports[name] = RayAnnotatorPort(part, is_stored=bool(getattr(config, "store", False)))
    return ports


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
    deployment = serve.deployment(
        name="router",
        max_ongoing_requests=10_000,
        max_queued_requests=10_000,
        ray_actor_options={"num_cpus": 0.2},
        health_check_period_s=5,
        health_check_timeout_s=30,
        graceful_shutdown_timeout_s=10,
        # Our metrics count requests; a log line each, even one that no handler takes, costs more than it tells.
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )(serve.ingress()(Router))
    return deployment.bind(settings, dict(extractors), dict(annotators))

"""``GET /metrics``: the service's own figures, for Prometheus."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

from fastapi import APIRouter
from prometheus_client.metrics_core import Metric
from starlette.responses import Response

from graph.catalog.catalog import CatalogProvider
from graph.figures.exposition import CONTENT_TYPE, build_family, job_families, prometheus_text, stored_families
from graph.figures.routers import RoutersFigures
from graph.http.guards.rights import GuardedRoute
from graph.http.replies.openapi import documented, text
from storage.errors import LookalikeError

logger = logging.getLogger(__name__)

METRICS_PATH = "/metrics"
MEDIA_TYPE = CONTENT_TYPE.partition(";")[0]
STORED_TIMEOUT_S = 2.0  # a scrape has ten seconds, unless Prometheus is told otherwise


def figure_routes(catalog: CatalogProvider, figures: RoutersFigures) -> APIRouter:
    router = APIRouter(tags=["service"], route_class=GuardedRoute)

    @router.get(
        METRICS_PATH,
        summary="The service's own figures, for Prometheus",
        response_class=Response,
        responses={**documented({}), **text("all figures, in Prometheus' text format", MEDIA_TYPE)},
    )
    async def metrics() -> Response:
        counted, stored, jobs = await asyncio.gather(
            figures.families(), _or_nothing(_stored(catalog)), _or_nothing(_jobs(catalog))
        )
        body = prometheus_text([build_family(), *counted, *stored, *jobs])
        return Response(body, headers={"content-type": CONTENT_TYPE})

    return router


async def _stored(catalog: CatalogProvider) -> list[Metric]:
    return stored_families(await catalog().service.stats())


async def _jobs(catalog: CatalogProvider) -> list[Metric]:
    return job_families(await catalog().jobs.jobs())


async def _or_nothing(figures: Awaitable[list[Metric]]) -> list[Metric]:
    """What a scrape can do without: a part that is down must not hide the figures that tell of it."""
    try:
        async with asyncio.timeout(STORED_TIMEOUT_S):
            return await figures
    except (LookalikeError, TimeoutError) as failure:
        logger.info("a scrape goes without some figures: %s", failure)
        return []

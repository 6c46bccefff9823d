"""Joins the original routes, and says how their errors are answered."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.routing import Route

from graph.catalog.catalog import CatalogProvider
from graph.config.settings import AppSettings
from graph.http.ambience.errors import ambience_error
from graph.http.ambience.openapi import TAG
from graph.http.ambience.routes_annotate import add_annotate_routes
from graph.http.ambience.routes_gateway import add_gateway_routes
from graph.http.ambience.routes_search import add_search_routes
from graph.http.ambience.routes_write import add_write_routes
from graph.http.replies.errors import ErrorAnswers


def ambience_routes(catalog: CatalogProvider, settings: AppSettings) -> APIRouter:
    router = APIRouter(tags=[TAG])
    add_search_routes(router, catalog, settings)
    add_write_routes(router, catalog, settings)
    add_annotate_routes(router, catalog, settings)
    add_gateway_routes(router, catalog, settings)
    return router


def ambience_errors(router: APIRouter) -> ErrorAnswers:
    """By the paths of these routes."""
    return {route.path: ambience_error for route in router.routes if isinstance(route, Route)}

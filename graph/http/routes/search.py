"""``/v1/search`` and search by a stored image."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from graph.catalog.catalog import CatalogProvider
from graph.config.settings import AppSettings
from graph.http.forms.bodies import search_of, search_request
from graph.http.forms.comparing import FILES, CompareFields, compare_request
from graph.http.forms.fields import query_fields
from graph.http.forms.image_paths import Id, image_id
from graph.http.forms.search_fields import SearchFields, SimilarFields
from graph.http.guards.rights import GuardedRoute, guarded
from graph.http.replies.answers import json_response, search_answer, search_result
from graph.http.replies.openapi import (
    SearchHit,
    SearchResults,
    documented,
    form_body,
    json_body,
    query_parameters,
    request_body,
)

SEARCH_PATH = "/v1/search"


def search_endpoint(catalog: CatalogProvider, settings: AppSettings) -> Callable[[Request], Awaitable[Response]]:
    async def search(request: Request) -> Response:
        wanted = await search_request(request, settings)
        return json_response(search_answer(await catalog().searches.search(wanted)))

    return search


def direct_search_route(catalog: CatalogProvider, settings: AppSettings) -> Route:
    """`POST /v1/search` past FastAPI's own handling of parameters and results, which this endpoint has no use for: a
    search over HTTP spends a twentieth of its time there. FastAPI's route stays behind it, for the documentation.
    """
    endpoint = guarded(f"POST {SEARCH_PATH}", search_endpoint(catalog, settings))

    async def search(request: Request) -> Response:
        request.scope["route"] = route  # as FastAPI does, for the metrics
        return await endpoint(request)

    route = Route(SEARCH_PATH, search, methods=["POST"])
    return route


def search_routes(catalog: CatalogProvider, settings: AppSettings) -> APIRouter:
    router = APIRouter(tags=["search"], route_class=GuardedRoute)

    router.post(
        SEARCH_PATH,
        summary="Search with a picture, a stored image, a sentence, or several of them",
        responses=documented({200: ("the results", SearchResults)}, 400, 404, 413, 415),
        openapi_extra=request_body(form_body(SearchFields, image_required=False), json_body(SearchFields)),
    )(search_endpoint(catalog, settings))

    @router.get(
        "/v1/images/{id:path}/similar",
        summary="Search with a stored image",
        responses=documented({200: ("the results", SearchResults)}, 404),
        openapi_extra=query_parameters(SimilarFields),
    )
    async def similar(request: Request, id: Id) -> Response:
        asked = query_fields(request, SimilarFields, repeatable=frozenset({"features"}))
        fields = SearchFields(id=[image_id(request)], **asked.model_dump())
        return json_response(search_answer(await catalog().searches.search(search_of(fields, settings))))

    @router.post(
        "/v1/compare",
        summary="Say what one picture is to another",
        responses=documented({200: ("what a is to b", SearchHit)}, 400, 404, 413, 415),
        openapi_extra=request_body(form_body(CompareFields, image_required=False, files=FILES)),
    )
    async def compare(request: Request) -> Response:
        wanted = await compare_request(request, settings.limits)
        return json_response(search_result(await catalog().searches.compare(wanted)))

    return router

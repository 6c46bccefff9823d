"""``/v1/library``: the folders that the collection follows."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from graph.catalog.catalog import CatalogProvider
from graph.config.settings import AppSettings
from graph.http.forms.bodies import folder_fields
from graph.http.forms.fields import FolderFields, query_fields
from graph.http.guards.rights import GuardedRoute
from graph.http.guards.roots import check_roots
from graph.http.replies.answers import json_response, library_root
from graph.http.replies.openapi import (
    JobSubmitted,
    LibraryRoots,
    documented,
    json_body,
    query_parameters,
    request_body,
)


def library_routes(catalog: CatalogProvider, settings: AppSettings) -> APIRouter:
    router = APIRouter(tags=["library"], route_class=GuardedRoute)

    @router.get(
        "/v1/library", summary="Folders that were indexed", responses=documented({200: ("each of them", LibraryRoots)})
    )
    async def roots() -> Response:
        return json_response({"roots": [library_root(root) for root in await catalog().library.roots()]})

    @router.delete(
        "/v1/library",
        summary="Forget a folder; its pictures stay",
        responses=documented({204: ("forgotten", None)}, 404),
        openapi_extra=query_parameters(FolderFields),
        status_code=204,
    )
    async def forget(request: Request) -> Response:
        await catalog().library.forget(query_fields(request, FolderFields).path)
        return Response(status_code=204)

    @router.post(
        "/v1/library/watch",
        summary="Follow what changes in a folder, from now on",
        responses=documented({202: ("the job that does", JobSubmitted)}, 400, 404, 413),
        openapi_extra=request_body(json_body(FolderFields)),
        status_code=202,
    )
    async def watch(request: Request) -> Response:
        fields = await folder_fields(request, settings)
        await check_roots([fields.path], settings)
        return json_response({"id": await catalog().library.watch(fields.path)}, 202)

    @router.post(
        "/v1/library/unwatch",
        summary="Follow a folder no longer",
        responses=documented({204: ("no longer followed", None)}, 400, 404, 413),
        openapi_extra=request_body(json_body(FolderFields)),
        status_code=204,
    )
    async def unwatch(request: Request) -> Response:
        await catalog().library.unwatch((await folder_fields(request, settings)).path)
        return Response(status_code=204)

    return router

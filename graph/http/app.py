"""Joins routes and middlewares into one ASGI application.

Knows nothing of Ray: the catalogue comes from a function that is called per request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from graph.catalog.catalog import CatalogProvider
from graph.config.keyring import keyring
from graph.config.settings import AppSettings
from graph.figures.figures import Figures
from graph.figures.routers import RoutersFigures
from graph.http.forms.image_paths import EncodedPaths
from graph.http.guards.access import Access
from graph.http.guards.limits import Admission, Limiting
from graph.http.guards.observing import Observing, RequestMetrics
from graph.http.page import page_routes, static_files
from graph.http.replies.errors import ErrorAnswers, http_exception_response, path_of
from graph.http.replies.openapi import DESCRIPTION, TITLE, describe
from graph.http.routes.duplicates import duplicate_routes
from graph.http.routes.figures import METRICS_PATH, figure_routes
from graph.http.routes.images import image_routes
from graph.http.routes.jobs import job_routes
from graph.http.routes.library import library_routes
from graph.http.routes.search import direct_search_route, search_routes
from graph.http.routes.service import HEALTH_PATHS, service_routes


def create_http_app(
    catalog: CatalogProvider,
    settings: AppSettings,
    *,
    metrics: RequestMetrics | None = None,
    figures: RoutersFigures | None = None,
    admission: Admission | None = None,
    sends_request_id: bool = True,
    version: str = "1",
) -> FastAPI:
    """The whole of HTTP version 1.

    figures: of all routers, for ``/metrics``; of this one alone unless given. metrics: in the place of its own.
    admission: given by a caller that wants to watch its queue. sends_request_id: False under Ray Serve, which adds the
    header itself.
    """
    files = static_files()
    limits = settings.limits
    figures = figures or RoutersFigures(Figures())
    admission = admission or Admission(limits)
    original_routes, error_answers = _original_routes(catalog, settings)
    app = FastAPI(
        title=TITLE,
        description=DESCRIPTION,
        version=version,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(
                Observing,
                metrics=metrics or figures.figures,
                sends_request_id=sends_request_id,
                error_answers=error_answers,
            ),
            *_guards(settings, admission, open_paths=[*files, "/openapi.json"]),
            Middleware(EncodedPaths),
        ],
    )
    app.add_exception_handler(HTTPException, _framework_error(error_answers))
    app.router.routes.append(direct_search_route(catalog, settings))
    # The routes of a picture's parts end in a fixed word and are tried before the one that takes the whole rest of the
    # path as an id.
    for router in (
        search_routes(catalog, settings),
        image_routes(catalog, settings),
        duplicate_routes(catalog, settings),
        service_routes(catalog, settings),
        figure_routes(catalog, figures),
        job_routes(catalog, settings),
        library_routes(catalog, settings),
        original_routes,
        page_routes(files, greets_programs=settings.ambience.enabled),
    ):
        app.include_router(router)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


def _guards(settings: AppSettings, admission: Admission, open_paths: Sequence[str]) -> list[Middleware]:
    """What a request passes before its body is read, in order."""
    return [
        Middleware(
            Access,
            keyring=keyring(settings) if settings.has_keys else None,
            allowed_hosts=settings.allowed_hosts,
            open_paths=open_paths,
            health_paths=HEALTH_PATHS,
        ),
        Middleware(Limiting, limits=settings.limits, admission=admission, exempt_paths=[*HEALTH_PATHS, METRICS_PATH]),
    ]


def _original_routes(catalog: CatalogProvider, settings: AppSettings) -> tuple[APIRouter, ErrorAnswers]:
    """Those of the original services. Where they are switched off nothing of them is even imported."""
    if not settings.ambience.enabled:
        return APIRouter(), {}
    from graph.http.ambience.routes import ambience_errors, ambience_routes

    router = ambience_routes(catalog, settings)
    return router, ambience_errors(router)


def _framework_error(error_answers: ErrorAnswers) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            error.headers = {**(error.headers or {}), **_allowed(request)}
        in_own_shape = error_answers.get(path_of(request.scope), http_exception_response)
        return in_own_shape(request.scope, error)

    return answer


def _allowed(request: Request) -> dict[str, str]:
    """The methods of all routes with this path: the framework names those of the first alone."""
    template = getattr(request.scope.get("route"), "path_format", "")
    methods = request.app.openapi()["paths"].get(template, ())
    return {"Allow": ", ".join(sorted(method.upper() for method in methods))} if methods else {}

"""Which right a key needs for each route. A route that is not in the table cannot be made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from graph.config.api_keys import RIGHTS, Right
from storage.errors import Forbidden

CALLER = "lookalike.caller"  # key of a request's `Caller` in an ASGI scope

READ: frozenset[Right] = frozenset({"read"})  # what changes nothing
WRITE: frozenset[Right] = frozenset({"write"})  # pictures, decisions, the library, jobs below the allowed roots
ADMIN: frozenset[Right] = frozenset({"admin"})  # what is of the whole service
WRITE_OR_ADMIN = WRITE | ADMIN  # the route decides by the kind of the job: `graph.http.routes.jobs`

ROUTES: Mapping[str, frozenset[Right]] = {
    "GET /metrics": READ,
    "GET /v1/duplicates": READ,
    "GET /v1/duplicates/decisions": READ,
    "GET /v1/features": READ,
    "GET /v1/images": READ,
    "GET /v1/images/{id:path}": READ,
    "GET /v1/images/{id:path}/file": READ,
    "GET /v1/images/{id:path}/similar": READ,
    "GET /v1/images/{id:path}/thumbnail": READ,
    "GET /v1/jobs": READ,
    "GET /v1/jobs/{id}": READ,
    "GET /v1/jobs/{id}/failures": READ,
    "GET /v1/library": READ,
    "GET /v1/stats": READ,
    "POST /v1/caption": READ,
    "POST /v1/compare": READ,
    "POST /v1/search": READ,
    "POST /v1/tags": READ,
    "DELETE /v1/duplicates/decisions/{id}": WRITE,
    "DELETE /v1/images/{id:path}": WRITE,
    "DELETE /v1/library": WRITE,
    "POST /v1/duplicates/decisions": WRITE,
    "POST /v1/images": WRITE,
    "POST /v1/library/unwatch": WRITE,
    "POST /v1/library/watch": WRITE,
    "PUT /v1/images/{id:path}": WRITE,
    "POST /v1/jobs": WRITE_OR_ADMIN,
    "POST /v1/jobs/{id}/stop": WRITE_OR_ADMIN,
    "DELETE /v1/thresholds": ADMIN,
    "POST /v1/train": ADMIN,
    "POST /v1/verify": ADMIN,
    # Those of the original services and of their gateway.
    "POST /color_get_similar_images_by_id": READ,
    "POST /color_get_similar_images_by_image_buffer": READ,
    "POST /get_image_caption": READ,
    "POST /get_image_tags": READ,
    "POST /global_features_get_similar_images_by_id": READ,
    "POST /global_features_get_similar_images_by_image_buffer": READ,
    "POST /image_text_features_get_similar_images_by_id": READ,
    "POST /image_text_features_get_similar_images_by_image_buffer": READ,
    "POST /image_text_features_get_similar_images_by_text": READ,
    "POST /local_features_get_similar_images_by_id": READ,
    "POST /local_features_get_similar_images_by_image_buffer": READ,
    "POST /phash_get_similar_images_by_id": READ,
    "POST /phash_get_similar_images_by_image_buffer": READ,
    "POST /reverse_search": READ,
    "POST /calculate_all_image_features": WRITE,
    "POST /calculate_color_features": WRITE,
    "POST /calculate_global_features": WRITE,
    "POST /calculate_image_text_features": WRITE,
    "POST /calculate_local_features": WRITE,
    "POST /calculate_phash_features": WRITE,
    "POST /delete_all_image_features": WRITE,
    "POST /delete_color_features": WRITE,
    "POST /delete_global_features": WRITE,
    "POST /delete_image_text_features": WRITE,
    "POST /delete_local_features": WRITE,
    "POST /delete_phash_features": WRITE,
}
OPEN = frozenset({"GET /healthz", "GET /readyz"})  # beside the page, the documentation and their files: no picture

Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. name: for logs."""

    name: str
    rights: frozenset[Right]


NO_KEY = Caller("no key", frozenset())
WRONG_KEY = Caller("a wrong key", frozenset())
ANYBODY = Caller("no key", frozenset(RIGHTS))  # where no key is set


def check_right(scope: Scope, *wanted: Right) -> None:
    """Any of them will do. Raises Forbidden, which says what is missing."""
    caller: Caller = scope[CALLER]
    if caller.rights.isdisjoint(wanted):
        missing = " or ".join(f"'{right}'" for right in RIGHTS if right in wanted)
        had = ", ".join(right for right in RIGHTS if right in caller.rights) or "none"
        raise Forbidden(
            f"the API key {caller.name!r} lacks the right {missing}",
            f"use a key that has it; the rights of this one: {had}",
        )


def guarded(method_and_path: str, endpoint: Endpoint) -> Handler:
    """The endpoint behind the right that its route needs. Raises LookupError for a route that has none."""
    if method_and_path not in ROUTES and method_and_path not in OPEN:
        raise LookupError(f"no right is declared for {method_and_path}: add it to {__name__}.ROUTES")
    wanted = ROUTES.get(method_and_path)

    async def checked(request: Request) -> Response:
        if wanted is not None:
            check_right(request.scope, *wanted)
        return await endpoint(request)

    return checked


class GuardedRoute(APIRoute):
    """``route_class`` of every router but that of the page."""

    def get_route_handler(self) -> Handler:
        return guarded(f"{' '.join(self.methods or ())} {self.path}", super().get_route_handler())

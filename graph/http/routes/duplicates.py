"""``/v1/duplicates``: groups of pictures of one photograph, or of the same hash, and what was decided of them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BeforeValidator, Field
from starlette.requests import Request
from starlette.responses import Response

from graph.catalog.catalog import CatalogProvider
from graph.config.settings import AppSettings
from graph.http.forms.bodies import decision_fields
from graph.http.forms.fields import DecisionFields, Fields, WholeNumber, check_at_most, names_of, query_fields
from graph.http.guards.rights import GuardedRoute
from graph.http.replies.answers import decision_row, duplicate_page, json_response
from graph.http.replies.openapi import (
    DecisionRow,
    DecisionRows,
    DuplicateGroups,
    documented,
    json_body,
    query_parameters,
    request_body,
)
from graph.same_picture import MOST_THRESHOLD_BITS
from storage.errors import InvalidField

DecisionId = Annotated[str, Path(alias="id", description="the decision's id")]
Related = Literal["same", "edited", "crop", "contains", "overlap"]


class DuplicatesFields(Fields):
    relation: Annotated[list[Related], BeforeValidator(names_of)] | None = Field(
        default=None,
        description="what a duplicate may be to the picture that is kept, comma-separated; same always is among them",
    )
    threshold: WholeNumber | None = Field(
        default=None,
        ge=0,
        le=MOST_THRESHOLD_BITS,
        description="group by the hash alone: bits of 576 that copies may differ by; nothing is judged",
    )
    limit: WholeNumber = Field(default=100, ge=1, description="groups on a page at most, up to limits.max_page_size")
    cursor: str | None = Field(default=None, description="next_cursor of the page before")


def duplicate_routes(catalog: CatalogProvider, settings: AppSettings) -> APIRouter:
    router = APIRouter(tags=["duplicates"], route_class=GuardedRoute)

    @router.get(
        "/v1/duplicates",
        summary="Groups of pictures of one photograph, page by page",
        responses=documented({200: ("a page", DuplicateGroups)}),
        openapi_extra=query_parameters(DuplicatesFields),
    )
    async def duplicates(request: Request) -> Response:
        fields = query_fields(request, DuplicatesFields)
        check_at_most("limit", fields.limit, settings.limits.max_page_size)
        groups = catalog().duplicates
        if fields.threshold is None:
            relations = {"same", *(fields.relation or ())}
            return json_response(duplicate_page(await groups.related(fields.cursor, fields.limit, relations=relations)))
        if fields.relation is not None:
            raise InvalidField("threshold: it does not go with relation", "send one of the two")
        return json_response(
            duplicate_page(await groups.page(fields.cursor, fields.limit, max_distance=fields.threshold))
        )

    _add_decision_routes(router, catalog, settings)
    return router


def _add_decision_routes(router: APIRouter, catalog: CatalogProvider, settings: AppSettings) -> None:
    @router.get(
        "/v1/duplicates/decisions",
        summary="What was decided of duplicates",
        responses=documented({200: ("all decisions, the oldest first", DecisionRows)}),
    )
    async def decisions() -> Response:
        return json_response({"decisions": [decision_row(one) for one in await catalog().duplicates.decisions.all()]})

    @router.post(
        "/v1/duplicates/decisions",
        summary="Decide of two pictures; in the place of what was decided of them before",
        responses=documented({201: ("decided", DecisionRow)}, 400, 404, 413),
        openapi_extra=request_body(json_body(DecisionFields)),
        status_code=201,
    )
    async def decide(request: Request) -> Response:
        fields = await decision_fields(request, settings)
        decided = await catalog().duplicates.decisions.decide(fields.a, fields.b, fields.decision, fields.note)
        return json_response(decision_row(decided), 201)

    @router.delete(
        "/v1/duplicates/decisions/{id}",
        summary="Take a decision back",
        responses=documented({204: ("taken back", None)}, 404),
        status_code=204,
    )
    async def take_back(decision: DecisionId) -> Response:
        await catalog().duplicates.decisions.take_back(decision)
        return Response(status_code=204)

"""One search of one of the original services, asked of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graph.catalog.catalog import Catalog
from graph.config.settings import AppSettings
from graph.http.ambience.answers import Row, gaps, rows
from graph.http.ambience.fields import SearchFields
from graph.http.ambience.services import Service
from graph.http.forms.fields import check_at_most
from graph.requests.messages import SearchAnswer, SearchRequest
from storage.errors import ExtractorUnavailable, InvalidField, LookalikeError, ShardUnavailable

# The index is asked for a little more than the threshold, which then is compared with distances as they are shown.
ROUNDING = 1 + 1e-6


@dataclass(frozen=True, slots=True)
class Found:
    """missing: what the rows lack, and why; one line each."""

    rows: list[Row]
    missing: list[str]


async def search(catalog: Catalog, settings: AppSettings, service: Service, fields: SearchFields) -> Found:
    """Raises ExtractorUnavailable where the feature is not configured, ShardUnavailable where nothing was found and
    something did not answer, and what `Searches.search` raises.
    """
    check_configured(settings, service)
    request = search_request(settings, service, fields)
    found = _found(settings, service, fields, request, await catalog.searches.search(request))
    if isinstance(found, ShardUnavailable):
        raise found
    return found


async def search_each(
    catalog: Catalog, settings: AppSettings, asked: Sequence[tuple[Service, SearchFields]]
) -> list[Found | LookalikeError]:
    """Several searches of configured services at once, each with what it found or why it failed. Raises InvalidRequest
    where the catalogue does.
    """
    requests = [search_request(settings, service, fields) for service, fields in asked]
    answers = await catalog.searches.search_each(requests)
    return [
        answer if isinstance(answer, LookalikeError) else _found(settings, *one, request, answer)
        for one, request, answer in zip(asked, requests, answers, strict=True)
    ]


def check_configured(settings: AppSettings, service: Service) -> None:
    if service.feature not in settings.extractors:
        raise ExtractorUnavailable(
            f"no extractor {service.feature!r} is configured", "list it under args.extractors in the configuration"
        )


def configured(settings: AppSettings, services: Sequence[Service]) -> list[Service]:
    """Those whose features are computed here. Raises ExtractorUnavailable where none is."""
    known = [service for service in services if service.feature in settings.extractors]
    if not known:
        check_configured(settings, services[0])
    return known


def search_request(settings: AppSettings, service: Service, fields: SearchFields) -> SearchRequest:
    """Raises InvalidField."""
    limits = settings.limits
    check_at_most("k", fields.k or 1, limits.max_results)
    subject, threshold = fields.subject(), fields.distance_threshold
    if len(subject.get("text", "")) > limits.max_text_characters:
        raise InvalidField(f"text: {len(subject['text'])} characters", f"send at most {limits.max_text_characters}")
    params = {**fields.params(), **(service.params_by_id if "ids" in subject else {})}
    within = {}
    if threshold is not None and service.scale is not None:
        within = {service.feature: threshold / service.scale * ROUNDING}
    return SearchRequest(
        **subject,
        features=(service.feature,),
        k=fields.k or limits.max_results,
        weights={service.feature: 1.0},
        max_distance=within,
        params={service.feature: params} if params else {},
        is_judged=False,
    )


def _found(
    settings: AppSettings, service: Service, fields: SearchFields, request: SearchRequest, answer: SearchAnswer
) -> Found | ShardUnavailable:
    found, missing = rows(service, answer, with_file_names=settings.ambience.filenames), gaps(answer)
    if fields.k is None and len(found) == request.k:
        missing.append(f"{service.feature}: only the first {request.k} results (limits.max_results)")
    threshold = fields.distance_threshold
    if threshold is not None and service.scale is not None:
        found = [row for row in found if row["distance"] <= threshold]
    if answer.partial and not found:
        return ShardUnavailable(f"nothing was found, but not everything answered: {'; '.join(missing)}", "try again")
    return Found(found, missing)

"""The gateway's search: every original service at once, and what two or more of them found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.responses import Response

from graph.catalog.catalog import Catalog
from graph.config.settings import AppSettings
from graph.http.ambience.answers import Row, search_response
from graph.http.ambience.fields import MostKeypointsByImage, NearestByImage, SearchFields
from graph.http.ambience.searching import Found, configured, search, search_each
from graph.http.ambience.services import LOCAL, PHASH, SEARCH_ORDER, Service
from graph.http.replies.errors import status_of
from graph.same_picture import SAME_PICTURE_BITS
from storage.errors import ExtractorUnavailable, LookalikeError

RESULTS_ASKED = 200
RESULTS_SHOWN = 20
FEWEST_MATCHES = 4


async def find_duplicate(catalog: Catalog, settings: AppSettings, image: bytes) -> Response:
    """Pictures whose hash is close enough for the same picture. Raises ExtractorUnavailable without ``phash``."""
    found = await search(catalog, settings, PHASH, _fields(PHASH, image, settings))
    return search_response({"duplicate": found.rows[:RESULTS_SHOWN]} if found.rows else {}, found.missing)


async def reverse_search(catalog: Catalog, settings: AppSettings, image: bytes) -> Response:
    """Raises InvalidRequest for a picture that cannot be read, and, where every service failed, one of the failures."""
    services = configured(settings, SEARCH_ORDER)
    asked = [(service, _fields(service, image, settings)) for service in services]
    outcomes = await search_each(catalog, settings, asked)
    failures = [outcome for outcome in outcomes if isinstance(outcome, LookalikeError)]
    for failure in failures:
        if status_of(failure) == 500:  # the service's own fault, which only its log may show
            raise failure
    if len(failures) == len(outcomes):
        raise next((one for one in failures if not isinstance(one, ExtractorUnavailable)), failures[0])
    lists: dict[str, list[Row]] = {}
    missing: list[str] = []
    for service, outcome in zip(services, outcomes, strict=True):
        if isinstance(outcome, Found):
            lists[service.result_key] = outcome.rows
            missing += outcome.missing
        else:
            missing.append(f"{service.feature}: {outcome}")
    lists["unified_res"] = unified(lists)
    return search_response({key: rows[:RESULTS_SHOWN] for key, rows in lists.items() if rows}, missing)


def _fields(service: Service, image: bytes, settings: AppSettings) -> SearchFields:
    k = min(RESULTS_ASKED, settings.limits.max_results)
    if service is PHASH:
        return NearestByImage(image=image, distance_threshold=SAME_PICTURE_BITS)
    if service is LOCAL:
        return MostKeypointsByImage(image=image, k=k, knn_min_matches=FEWEST_MATCHES)
    return NearestByImage(image=image, k=k)


def unified(lists: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Pictures that are on two lists or more, by the sum of 1 / place over their lists, highest first; of the same
    score, the one that was seen first.
    """
    places: dict[int | str, list[int]] = {}
    for rows in lists.values():
        for place, row in enumerate(rows, start=1):
            places.setdefault(row["image_id"], []).append(place)
    scored = [
        {"image_id": image_id, "score": sum(1 / place for place in own)}
        for image_id, own in places.items()
        if len(own) > 1
    ]
    return sorted(scored, key=lambda row: -row["score"])

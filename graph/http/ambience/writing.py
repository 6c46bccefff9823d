"""Adding and deleting single features, and all of them at once as the gateway did."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Sequence
from typing import Any

from graph.catalog.catalog import Catalog
from graph.http.ambience.answers import FILE_NAME_OF_NUMBER, file_name
from graph.http.ambience.errors import TAKEN
from graph.http.ambience.fields import CalculateFields, DeleteFields
from graph.http.ambience.services import Service
from graph.http.replies.errors import status_of
from graph.requests.messages import AddFeaturesRequest
from storage.errors import (
    ExtractorFailed,
    ExtractorUnavailable,
    ImageExists,
    ImageNotFound,
    InvalidField,
    LookalikeError,
    NotFound,
)
from storage.types.pictures import FILE_NAME

NUMBER_OF_FILE_NAME = re.compile(re.escape(FILE_NAME_OF_NUMBER).replace(re.escape("{}"), "(0|[1-9][0-9]*)"))
OF_ONE_FEATURE = (ImageExists, ExtractorUnavailable, ExtractorFailed)  # other failures are those of every feature

Settled = dict[str, Any]  # as JavaScript's Promise.allSettled writes it


async def calculate(catalog: Catalog, services: Sequence[Service], fields: CalculateFields) -> None:
    """Adds these features of the picture, or none. Raises what `Pictures.add_features` does."""
    features = tuple(service.feature for service in services)
    await catalog.pictures.add_features(AddFeaturesRequest(fields.image, str(fields.image_id), features))


async def delete(catalog: Catalog, services: Sequence[Service], fields: DeleteFields) -> None:
    """An id without these features is fine, as in the originals. Raises NotFound for a file name that no picture has,
    InvalidField for one that several have.
    """
    image_id = str(fields.image_id) if not fields.file_name else await _id_of(catalog, fields.file_name)
    try:
        await catalog.pictures.remove_features(image_id, [service.feature for service in services])
    except ImageNotFound:
        return


async def _id_of(catalog: Catalog, name: str) -> str:
    ids = await catalog.pictures.ids_of_file_name(name) or await _unnamed(catalog, name)
    if not ids:
        raise NotFound(f"no picture has the file name {name!r}", f"it is {FILE_NAME!r} in the metadata of a picture")
    if len(ids) > 1:
        raise InvalidField(f"file_name: {len(ids)} pictures are called {name!r}", "delete one by its image_id")
    return ids[0]


async def _unnamed(catalog: Catalog, name: str) -> list[str]:
    """Of a picture that is called by its number, for want of a name in its metadata."""
    number = NUMBER_OF_FILE_NAME.fullmatch(name)
    if number is None:
        return []
    try:
        record = await catalog.pictures.get(number[1])
    except ImageNotFound:
        return []
    return [record.id] if file_name(record.id, record.metadata) == name else []


async def calculate_all(catalog: Catalog, services: Sequence[Service], fields: CalculateFields) -> list[Settled]:
    """All at once; one by one where a feature of them may be why that failed, to keep what can be kept and say what
    cannot. A service that is busy or late is not asked again.
    """
    whole = await _outcome(calculate(catalog, services, fields))
    outcomes: list[LookalikeError | None] = [whole] * len(services)
    if isinstance(whole, OF_ONE_FEATURE):
        outcomes = await asyncio.gather(*(_outcome(calculate(catalog, [one], fields)) for one in services))
    return [settled(one.calculate, outcome) for one, outcome in zip(services, outcomes, strict=True)]


async def delete_all(catalog: Catalog, services: Sequence[Service], image_id: int) -> list[Settled]:
    """The whole picture in one write, so that they all have the same outcome. One that is not there is fine."""
    outcome = await _outcome(catalog.pictures.delete(str(image_id)))
    if isinstance(outcome, ImageNotFound):
        outcome = None
    return [settled(one.delete, outcome) for one in services]


async def _outcome(work: Awaitable[None]) -> LookalikeError | None:
    """The failure, if any. Raises one that is the service's own fault, which only its log may show."""
    try:
        await work
    except LookalikeError as failure:
        if status_of(failure) == 500:
            raise
        return failure
    return None


def settled(url: str, failure: LookalikeError | None) -> Settled:
    """url: of the route that does the same for one feature."""
    if failure is None:
        return {"status": "fulfilled", "value": "", "url": url}
    taken = isinstance(failure, ImageExists)
    reason = {
        "message": TAKEN if taken else str(failure),
        "code": failure.code,
        "status": 500 if taken else status_of(failure),
    }
    return {"status": "rejected", "reason": reason, "url": url}

"""Adding single features of a picture, as clients do who bring them one after the other."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from deployments.pictures.prepared import PreparedPicture
from graph.catalog.put_image import put_image
from graph.ports.batching import all_of
from graph.ports.contract import ExtractorPort
from graph.ports.status import explained
from graph.requests.messages import AddFeaturesRequest
from storage.errors import ExtractorFailed, ImageExists
from storage.types.features import FeatureRows
from storage.types.mutations import AddFeatures, MutationResult
from storage.types.pictures import ImageRecord


def refuse_stored(record: ImageRecord | None, names: Sequence[str]) -> None:
    """Raises `ImageExists` for a picture that has one of the features, before any is computed."""
    stored = [name for name in names if record is not None and record.features.get(name) == "ok"]
    if record is not None and stored:
        raise ImageExists(
            f"the image {record.id!r} has {', '.join(stored)} already", "delete that first, or choose another id"
        )


def stored_with(result: MutationResult, request: AddFeaturesRequest) -> ImageRecord:
    """The row, which has every feature that was asked for. Raises `ImageExists` where it is another picture's,
    `ExtractorFailed` where the shard has no place for what a model made, which has changed meanwhile.
    """
    if result.outcome == "conflict":
        refuse_stored(result.record, request.features)
        raise ImageExists(
            f"the id {request.id!r} is that of another picture", "choose another id, or delete that picture first"
        )
    record = result.record
    lost = [name for name in request.features if record is None or record.features.get(name) != "ok"]
    if record is None or lost:
        raise ExtractorFailed(f"the model of {', '.join(lost)} has just changed", "try again in a second")
    return record


async def extracted(
    ports: Sequence[ExtractorPort], prepared: PreparedPicture, *, timeout_s: float
) -> dict[str, FeatureRows]:
    """Every one of the features. Raises what the first failure was, `ExtractorUnavailable` where a model is missing."""

    async def one(port: ExtractorPort) -> FeatureRows:
        want = port.served.image_input
        if want is None or want not in prepared.forms:
            raise await explained(port)
        with port.caller():
            return await port.extract(prepared.forms[want], timeout_s=timeout_s)

    found = await all_of([one(port) for port in ports])
    return {port.name: rows for port, rows in zip(ports, found, strict=True)}


def add_features(
    request: AddFeaturesRequest, prepared: PreparedPicture, features: Mapping[str, FeatureRows], *, keeps_original: bool
) -> AddFeatures:
    """The write; what else the service keeps of pictures is absent of a new one."""
    put = put_image(
        prepared.facts,
        features,
        image_id=request.id,
        operation_id=request.operation_id or uuid.uuid4().hex,
        asked=request.features,
        on_conflict="error",
        metadata=request.metadata,
        original=request.image,
        keeps_original=keeps_original,
    )
    return AddFeatures(put.operation_id, put.record, put.features, put.thumbnail, put.original)

"""Request bodies turned into the catalogue's own requests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from graph.ambience_data.point_ranges import check_point_source
from graph.config.settings import AppSettings, Limits
from graph.http.forms.fields import (
    AddFields,
    DecisionFields,
    FolderFields,
    Model,
    TrainFields,
    check_at_most,
    check_features,
    checked,
    json_object,
)
from graph.http.forms.filters import filter_of
from graph.http.forms.job_fields import (
    BackfillFields,
    ImportFields,
    IndexFields,
    JobFields,
    job_fields_of,
    paths_of,
)
from graph.http.forms.multipart import Form, read_form, text_of
from graph.http.forms.search_fields import SearchFields
from graph.jobs.scanning.exclusion import check_patterns
from graph.requests.messages import AddRequest, SearchRequest, check_image_id
from storage.errors import BodyTooLarge, InvalidField, InvalidRequest, UnsupportedImage

MULTIPART = "multipart/form-data"
JSON = "application/json"
LISTS = ("id", "features", "text_not")  # fields of a search, beside image, that a form may repeat
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,128}")


def content_type(request: Request) -> tuple[str, str]:
    """The media type, and the whole header."""
    header = request.headers.get("content-type", "")
    return header.partition(";")[0].strip().lower(), header


async def read_image_form(request: Request, model: type[Model], limits: Limits) -> tuple[bytes, Model]:
    """The picture of a multipart form and its other fields. Raises InvalidRequest, InvalidField."""
    kind, header = content_type(request)
    if kind != MULTIPART:
        raise InvalidRequest(
            f"the Content-Type is {kind or 'missing'}", f"send {MULTIPART} with the picture as 'image'"
        )
    form = read_form(await request.body(), header, limits.max_form_fields, ("image", *model.model_fields))
    return _image(form), checked(model, _texts(form))


def add_request(request: Request, image: bytes, fields: AddFields, limits: Limits) -> AddRequest:
    """Raises InvalidField."""
    _check_metadata(fields.metadata, limits.max_metadata_bytes)
    return AddRequest(
        image=image,
        id=None if fields.id is None else check_image_id(fields.id),
        metadata=fields.metadata,
        on_conflict=fields.on_conflict,
        operation_id=operation_id(request),
    )


def operation_id(request: Request) -> str | None:
    """By which a change that is sent again is known. Raises InvalidField."""
    key = request.headers.get("idempotency-key")
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidField("Idempotency-Key: not 1 to 128 visible ASCII characters", "send a UUID")
    return key


async def search_request(request: Request, settings: AppSettings) -> SearchRequest:
    """A search from a multipart form or a JSON object. Raises InvalidRequest, InvalidField, UnknownFeature."""
    kind, header = content_type(request)
    images: tuple[bytes, ...] = ()
    if kind == JSON:
        fields = checked(SearchFields, json_object(await _small_body(request, settings.limits)))
    elif kind == MULTIPART:
        known = ("image", *SearchFields.model_fields)
        limit = settings.limits.max_form_fields
        form = read_form(await request.body(), header, limit, known, repeatable=("image", *LISTS))
        images = _images(form)
        values: dict[str, Any] = _texts(form)
        values |= {name: [text_of(name, value) for value in form[name]] for name in LISTS if name in form}
        fields = checked(SearchFields, values)
    else:
        raise InvalidRequest(f"the Content-Type is {kind or 'missing'}", f"send {MULTIPART} or {JSON}")
    if not images and fields.id is None and fields.text is None:
        if fields.text_not:
            raise InvalidField("text_not: there is nothing to search for", "say what to look for: image, id or text")
        raise InvalidRequest("nothing to search for", "send one or more of image, id and text")
    return search_of(fields, settings, images)


def search_of(fields: SearchFields, settings: AppSettings, images: tuple[bytes, ...] = ()) -> SearchRequest:
    """Raises InvalidField, UnknownFeature."""
    limits = settings.limits
    check_at_most("k", fields.k, limits.max_results)
    check_features(settings.extractors, fields.features, fields.weights, fields.max_distance, fields.params)
    _check_sentences("text", () if fields.text is None else (fields.text,), limits.max_text_characters)
    _check_sentences("text_not", fields.text_not or (), limits.max_text_characters)
    return SearchRequest(
        images=images,
        ids=tuple(map(check_image_id, fields.id or ())),
        combine=fields.combine,
        text=fields.text,
        text_not=tuple(fields.text_not or ()),
        features=None if fields.features is None else tuple(fields.features),
        k=fields.k,
        weights=fields.weights,
        max_distance=fields.max_distance,
        params=fields.params,
        filter=filter_of(fields.filter),
        distinct=fields.distinct,
        cursor=fields.cursor,
        relevance=fields.relevance,
        explain=fields.explain,
    )


async def job_fields(request: Request, settings: AppSettings) -> JobFields:
    """Raises InvalidRequest, InvalidField, UnknownFeature."""
    fields = job_fields_of(json_object(await _json_body(request, settings.limits)))
    _check_paths(paths_of(fields), settings.limits.max_job_paths)
    match fields:
        case IndexFields():
            check_patterns(fields.exclude)
            if fields.prune and fields.watch:
                raise InvalidField("prune: it goes without watch", "index once with prune, then watch")
        case BackfillFields():
            parts = {**settings.extractors, **settings.annotators}
            check_features(parts, (fields.feature,) if fields.feature else (), annotators=True)
        case ImportFields():
            check_features(settings.extractors, tuple(fields.features.values()))
            check_point_source(fields.keypoint_ranges or "")
    return fields


def _check_paths(paths: Sequence[str], limit: int) -> None:
    check_at_most("paths", len(paths), limit)
    for path in paths:
        if "\0" in path:
            raise InvalidField(f"paths: {path!r} has a null character", "send paths of files and folders")


async def folder_fields(request: Request, settings: AppSettings) -> FolderFields:
    """Raises InvalidRequest, InvalidField."""
    fields = checked(FolderFields, json_object(await _json_body(request, settings.limits)))
    _check_paths([fields.path], 1)
    return fields


async def decision_fields(request: Request, settings: AppSettings) -> DecisionFields:
    """Raises InvalidRequest, InvalidField."""
    return checked(DecisionFields, json_object(await _json_body(request, settings.limits)))


async def train_fields(request: Request, settings: AppSettings) -> TrainFields:
    """Raises InvalidRequest, InvalidField, UnknownFeature."""
    fields = checked(TrainFields, json_object(await _json_body(request, settings.limits)))
    check_features(settings.extractors, (fields.feature,))
    return fields


async def _json_body(request: Request, limits: Limits) -> bytes:
    """JSON only, so that no plain form of another site's page will do."""
    kind, _ = content_type(request)
    if kind != JSON:
        raise InvalidRequest(f"the Content-Type is {kind or 'missing'}", f"send {JSON}")
    return await _small_body(request, limits)


async def _small_body(request: Request, limits: Limits) -> bytes:
    body = await request.body()
    if len(body) > limits.max_json_bytes:
        raise BodyTooLarge(f"the JSON body is over the limit of {limits.max_json_bytes} bytes", "send less at once")
    return body


def _image(form: Form) -> bytes:
    if "image" not in form:
        raise InvalidRequest("the form has no field 'image'", "send the picture as the file field 'image'")
    [image] = _images(form)
    return image


def _images(form: Form) -> tuple[bytes, ...]:
    images = tuple(form.get("image", ()))
    if not all(images):
        raise UnsupportedImage("the picture is empty: 0 bytes", "send the bytes of an image file")
    return images


def _texts(form: Form) -> dict[str, Any]:
    return {name: text_of(name, values[0]) for name, values in form.items() if name != "image"}


def _check_sentences(name: str, sentences: Sequence[str], limit: int) -> None:
    for sentence in sentences:
        if len(sentence) > limit:
            raise InvalidField(f"{name}: {len(sentence)} characters", f"send at most {limit}")


def _check_metadata(metadata: Mapping[str, Any], limit: int) -> None:
    try:
        size = len(json.dumps(metadata, separators=(",", ":"), ensure_ascii=False).encode())
    except UnicodeEncodeError as error:  # JSON can spell lone surrogates, which no store or answer in UTF-8 can hold
        raise InvalidField("metadata: has a lone surrogate", "send valid Unicode") from error
    if size > limit:
        raise InvalidField(f"metadata: {size} bytes, the limit is {limit}", "keep less of it")

"""Every request of the HTTP interface as a value: what to send, and how to read the answer. Nothing is sent here."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import httpx

from lookalike_client import answers, parsing
from lookalike_client.errors import InvalidField
from lookalike_client.matches import Relevance

Answer = TypeVar("Answer")
OnConflict = Literal["error", "skip", "replace"]
Order = Literal["asc", "desc"]
FilterSource = str | Mapping[str, Any]  # as text, or as JSON
Combine = Literal["mean", "all"]
Choice = Literal["different", "keep_both", "keep"]

VERIFY_TIMEOUT_S = 3600.0  # reads every row of every shard
TRAIN_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """One request.

    path: percent-encoded. form: fields sent beside ``files`` as multipart, each as often as it has values. files:
    (field, bytes). repeatable: sending it twice does no more than once. expected: statuses beyond 2xx that are answers,
    not errors. timeout_s: None takes that of the client.
    """

    method: str
    path: str
    parse: Callable[[httpx.Response], Answer]
    params: Mapping[str, str | int] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    files: Sequence[tuple[str, bytes]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    expected: tuple[int, ...] = ()
    timeout_s: float | None = None


def add(
    image: bytes, id: str | None, metadata: Mapping[str, Any] | None, on_conflict: OnConflict
) -> Call[answers.AddedImage]:
    form = present(id=id, metadata=_json(metadata), on_conflict=on_conflict)
    files = [("image", image)]
    return Call("POST", "/v1/images", parsing.one(answers.AddedImage), form=form, files=files, headers=_once())


def replace(id: str, image: bytes, metadata: Mapping[str, Any] | None) -> Call[answers.AddedImage]:
    form = present(metadata=_json(metadata))
    files = [("image", image)]
    return Call("PUT", _image_path(id), parsing.one(answers.AddedImage), form=form, files=files, headers=_once())


def get(id: str) -> Call[answers.ImageRow]:
    return Call("GET", _image_path(id), parsing.one(answers.ImageRow))


def delete(id: str, stays_out: bool) -> Call[None]:
    params = {} if stays_out else {"stays_out": "false"}
    return Call("DELETE", _image_path(id), parsing.nothing, headers=_once(), params=params)


def page(
    limit: int, cursor: str | None, filter: FilterSource | None = None, sort: str | None = None, order: Order = "asc"
) -> Call[answers.ImagePage]:
    params = present(limit=limit, cursor=cursor, filter=_filter(filter), sort=sort, order=_unless("asc", order))
    return Call("GET", "/v1/images", parsing.one(answers.ImagePage), params=params)


def duplicates(
    threshold: int | None, limit: int, cursor: str | None, relation: Sequence[str] | None = None
) -> Call[answers.DuplicatePage]:
    params = present(threshold=threshold, relation=_listed(relation), limit=limit, cursor=cursor)
    return Call("GET", "/v1/duplicates", parsing.one(answers.DuplicatePage), params=params)


def decide(a: str, b: str, decision: Choice, note: str | None) -> Call[answers.Decision]:
    body = present(a=a, b=b, decision=decision, note=note)
    return Call("POST", "/v1/duplicates/decisions", parsing.one(answers.Decision), json=body)


def decisions() -> Call[tuple[answers.Decision, ...]]:
    return Call("GET", "/v1/duplicates/decisions", parsing.listed("decisions", answers.Decision))


def take_back(id: str) -> Call[None]:
    return Call("DELETE", f"/v1/duplicates/decisions/{segment(id)}", parsing.nothing)


def thumbnail(id: str) -> Call[bytes]:
    return Call("GET", f"{_image_path(id)}/thumbnail", parsing.content)


def original(id: str) -> Call[bytes]:
    return Call("GET", f"{_image_path(id)}/file", parsing.content)


def search(
    images: Sequence[bytes],
    *,
    id: Sequence[str] | str | None,
    combine: Combine,
    text: str | None,
    text_not: Sequence[str] | str | None,
    features: Sequence[str] | None,
    k: int,
    weights: Mapping[str, float] | None,
    max_distance: Mapping[str, float] | None,
    params: Mapping[str, Mapping[str, Any]] | None,
    filter: FilterSource | None = None,
    distinct: bool = False,
    cursor: str | None = None,
    relevance: Relevance = "all",
    explain: bool = False,
) -> Call[answers.SearchAnswer]:
    ids = [id] if isinstance(id, str) else list(id or ())
    if not images and not ids and text is None:
        raise InvalidField("a search needs an image, an id or a text", "give at least one of them")
    avoided = [text_not] if isinstance(text_not, str) else list(text_not or ()) or None
    fields = present(
        id=ids[0] if len(ids) == 1 else ids or None,
        combine=_unless("mean", combine),
        text=text,
        text_not=avoided,
        cursor=cursor,
        relevance=_unless("all", relevance),
    )
    if images:
        form = present(
            features=_listed(features),
            k=str(k),
            weights=_json(weights),
            max_distance=_json(max_distance),
            params=_json(params),
            filter=_filter(filter),
            distinct="true" if distinct else None,
            explain="true" if explain else None,
        )
        files = [("image", image) for image in images]
        return Call("POST", "/v1/search", parsing.one(answers.SearchAnswer), form=fields | form, files=files)
    body = present(
        features=None if features is None else list(features),
        k=k,
        weights=weights,
        max_distance=max_distance,
        params=params,
        filter=filter,
        distinct=distinct or None,
        explain=explain or None,
    )
    return Call("POST", "/v1/search", parsing.one(answers.SearchAnswer), json=fields | body)


def similar(
    id: str, features: Sequence[str] | None, k: int, filter: FilterSource | None = None, relevance: Relevance = "all"
) -> Call[answers.SearchAnswer]:
    params = present(features=_listed(features), k=k, filter=_filter(filter), relevance=_unless("all", relevance))
    return Call("GET", f"{_image_path(id)}/similar", parsing.one(answers.SearchAnswer), params=params)


def compare(files: Mapping[str, bytes], ids: Mapping[str, str], explain: bool) -> Call[answers.SearchResult]:
    """files, ids: under the names ``a`` and ``b``."""
    if sorted([*files, *ids]) != ["a", "b"]:
        raise InvalidField("two pictures are compared, a and b", "give each either as a file or by its id")
    form = {f"{name}_id": id for name, id in ids.items()} | present(explain="true" if explain else None)
    return Call("POST", "/v1/compare", parsing.one(answers.SearchResult), form=form, files=list(files.items()))


def tags(image: bytes) -> Call[tuple[answers.Tag, ...]]:
    return Call("POST", "/v1/tags", parsing.listed("tags", answers.Tag), files=[("image", image)])


def caption(image: bytes) -> Call[str]:
    return Call("POST", "/v1/caption", parsing.text("caption"), files=[("image", image)])


def features() -> Call[tuple[answers.FeatureReport, ...]]:
    return Call("GET", "/v1/features", parsing.listed("features", answers.FeatureReport))


def stats() -> Call[answers.ServiceStats]:
    return Call("GET", "/v1/stats", parsing.service_stats)


def verify() -> Call[answers.Verification]:
    return Call("POST", "/v1/verify", parsing.one(answers.Verification), timeout_s=VERIFY_TIMEOUT_S)


def train(feature: str) -> Call[answers.Training]:
    """Not repeatable: what the service began goes on after a connection broke, and would be done once more."""
    body = {"feature": feature}
    return Call(
        "POST", "/v1/train", parsing.one(answers.Training), json=body, repeatable=False, timeout_s=TRAIN_TIMEOUT_S
    )


def health() -> Call[None]:
    return Call("GET", "/healthz", parsing.nothing)


def ready() -> Call[answers.Readiness]:
    return Call("GET", "/readyz", parsing.readiness, expected=(503,))


def _image_path(id: str) -> str:
    return f"/v1/images/{segment(id)}"


def segment(id: str) -> str:
    """An id as one percent-encoded segment of a path. Raises InvalidField."""
    if not id:
        raise InvalidField("an id has no characters", "give an id of 1 to 256 characters")
    try:
        encoded = quote(id, safe="")
    except UnicodeEncodeError:
        raise InvalidField(f"the id {id!r} is not Unicode text", "give the id as UTF-8") from None
    # "." and ".." would be folded away as path segments by whatever stands between.
    return encoded.replace(".", "%2E") if encoded in {".", ".."} else encoded


def _once() -> dict[str, str]:
    """What makes a repeated change a no-op on the service's side."""
    return {"Idempotency-Key": str(uuid.uuid4())}


def present(**values: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _unless(default: str, value: str) -> str | None:
    return None if value == default else value


def _filter(filter: FilterSource | None) -> str | None:
    return filter if filter is None or isinstance(filter, str) else json.dumps(filter)


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value)


def _listed(names: Sequence[str] | None) -> str | None:
    return None if names is None else ",".join(names)

"""HTTP answers to typed ones. Unknown fields are passed over, so that an older client reads a newer service.

What does not parse raises KeyError, TypeError or ValueError; `lookalike_client.session` turns those into one error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

import httpx

from lookalike_client import answers
from lookalike_client.matches import Match

T = TypeVar("T")
Reader = Callable[[Any], Any]  # from a value of JSON


def nothing(_response: httpx.Response) -> None:
    return None


def content(response: httpx.Response) -> bytes:
    return response.content


def one(kind: type[T]) -> Callable[[httpx.Response], T]:
    """Reads a body that is one of them."""
    return lambda response: cast(T, reader(kind)(response.json()))


def listed(name: str, kind: type[T]) -> Callable[[httpx.Response], tuple[T, ...]]:
    """Reads the list of them that stands in the body under this name."""
    return lambda response: tuple(map(reader(kind), response.json()[name]))


def text(name: str) -> Callable[[httpx.Response], str]:
    return lambda response: str(response.json()[name])


def service_stats(response: httpx.Response) -> answers.ServiceStats:
    body = response.json()
    for shard in body["shards"]:
        of_features = (feature.get("memory_bytes", 0) for feature in shard.get("features", {}).values())
        shard.setdefault("memory_bytes", sum(of_features))
    return cast(answers.ServiceStats, reader(answers.ServiceStats)(body))


def readiness(response: httpx.Response) -> answers.Readiness:
    body = response.json()
    missing = body["missing"] if "missing" in body else [body["error"]["message"]] if "error" in body else []
    return answers.Readiness(ready=response.is_success, missing=tuple(missing))


def reader(kind: Any) -> Reader:
    """Builds dataclasses and what holds them, and what `READERS` reads; takes everything else as it is."""
    arguments = get_args(kind)
    if is_dataclass(kind):
        return _builder(kind)  # type: ignore[arg-type]
    if kind in READERS:
        return READERS[kind]
    if get_origin(kind) is tuple:
        return lambda values: tuple(map(reader(arguments[0]), values))
    if get_origin(kind) is Mapping and (is_dataclass(arguments[1]) or arguments[1] in READERS):
        return lambda values: {name: reader(arguments[1])(value) for name, value in values.items()}
    if get_origin(kind) is UnionType:
        return lambda value: None if value is None else reader(arguments[0])(value)
    return lambda value: value


@cache
def _builder(kind: Any) -> Reader:
    hints = get_type_hints(kind)
    always = {field.name: field.metadata[answers.ALWAYS] for field in fields(kind) if answers.ALWAYS in field.metadata}
    parts = [(field.name, answers.json_name(field), reader((hints | always)[field.name])) for field in fields(kind)]
    return lambda body: kind(
        **{name: read(body[json_name]) for name, json_name, read in parts if json_name in body or name in always}
    )


def _moment(text: str) -> datetime:
    """An ISO time as an aware datetime; UTC unless it says otherwise."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


READERS: Mapping[Any, Reader] = {bool: bool, datetime: _moment, Match: Match.of}

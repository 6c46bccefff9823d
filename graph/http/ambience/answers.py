"""Search answers in the shapes, orders and scales of the original services."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from graph.http.ambience.fields import LARGEST_ID
from graph.http.ambience.services import Service
from graph.http.replies.answers import json_response
from graph.requests.messages import SearchAnswer, SearchResult
from storage.types.pictures import FILE_NAME

INCOMPLETE = "x-lookalike-incomplete"  # a header, because clients take every key of a body for a list of results
MOST_OF_HEADER = 2000  # characters
CANONICAL_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
FILE_NAME_OF_NUMBER = "{}.online"  # how the originals called pictures that came over HTTP

Row = dict[str, Any]


def image_number(image_id: str) -> int | str:
    """The number that the id spells without sign, space or leading zero; any other id as it is."""
    is_number = CANONICAL_NUMBER.fullmatch(image_id) and int(image_id) <= LARGEST_ID
    return int(image_id) if is_number else image_id


def file_name(image_id: str, metadata: Any) -> str:
    """That of the metadata; else ``12.online`` for the id 12, as the originals had it, and the end of any other id."""
    known = metadata.get(FILE_NAME)
    if isinstance(known, str) and known:
        return known
    if isinstance(image_number(image_id), int):
        return FILE_NAME_OF_NUMBER.format(image_id)
    return image_id.rsplit("/", 1)[-1]


def rows(service: Service, answer: SearchAnswer, *, with_file_names: bool) -> list[Row]:
    """The results of one feature, nearest first."""
    return [_row(service, result, with_file_names) for result in answer.results if service.feature in result.matches]


def _row(service: Service, result: SearchResult, with_file_names: bool) -> Row:
    match = result.matches[service.feature]
    number = image_number(result.id)
    name = {FILE_NAME: file_name(result.id, result.metadata)}
    if service.scale is None:
        return {"image_id": number, **name, "matches": int(match["inliers"])}
    distance = match["distance"] * service.scale
    shown = round(distance) if service.whole else float(f"{distance:.7g}")  # the digits of a float32
    return {"image_id": number, "distance": shown, **(name if with_file_names else {})}


def gaps(answer: SearchAnswer) -> list[str]:
    """What did not answer, or left something out; empty where nothing is missing."""
    said = []
    for name, report in answer.features.items():
        if report.status != "ok":
            said.append(f"{name}: {report.status}: {report.reason}")
        elif report.reason:
            said.append(f"{name}: {report.reason}")
    return said + [f"shard {shard} did not answer" for shard in answer.missing_shards]


def search_response(body: Any, missing: Sequence[str]) -> Response:
    """The body, and what is missing from it in a header."""
    return json_response(body, headers={INCOMPLETE: header_text("; ".join(missing))} if missing else None)


def header_text(text: str) -> str:
    """One line of ASCII, cut where it is too long for a header."""
    line = " ".join(text.split()).encode("ascii", "backslashreplace").decode("ascii")
    return "".join(character for character in line if character.isprintable())[:MOST_OF_HEADER]

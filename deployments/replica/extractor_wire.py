"""Calls to an extractor and its answers as bytes, for the hop to its replica (see `storage.encoding.search_messages`
for why).

Only for small pictures: large ones travel by reference, uncopied, as the arrays that they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgpack
import numpy as np

from deployments.extractor import Annotation, Pixels
from storage.encoding.feature_rows import decode_rows, encode_rows
from storage.errors import LookalikeError, error_from_code
from storage.types.features import FeatureRows

Ability = Literal["extract", "query_views", "embed_text", "annotate"]
ANNOTATED, FEATURE, ERROR = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class ExtractorCall:
    """One caller's question. subject: pixels, or a text for embed_text. origin: the options of the part that is to
    answer; None for those that are configured.
    """

    ability: Ability
    subject: Pixels | str
    params: Mapping[str, Any]
    origin: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Annotated:
    """What an annotator said of a picture."""

    said: Annotation


ExtractorAnswer = FeatureRows | Annotated | LookalikeError


def encode_calls(calls: Sequence[ExtractorCall]) -> bytes:
    """Bytes that `decode_calls` turns back into equal calls."""
    return bytes(msgpack.packb([_packed_call(call) for call in calls]))


def decode_calls(data: bytes) -> list[ExtractorCall]:
    """Inverse of `encode_calls`; pictures are views of ``data``."""
    return [_call(*packed) for packed in msgpack.unpackb(data)]


def encode_extractor_answers(answers: Sequence[ExtractorAnswer]) -> bytes:
    """Bytes that `decode_extractor_answers` turns back into equal answers."""
    return bytes(msgpack.packb([_packed_answer(answer) for answer in answers]))


def decode_extractor_answers(data: bytes) -> list[ExtractorAnswer]:
    """Inverse of `encode_extractor_answers`."""
    return [_answer(*packed) for packed in msgpack.unpackb(data)]


def _packed_call(call: ExtractorCall) -> list[Any]:
    origin = None if call.origin is None else dict(call.origin)
    if isinstance(call.subject, str):
        return [call.ability, call.subject, None, dict(call.params), origin]
    pixels = np.ascontiguousarray(call.subject).tobytes()
    return [call.ability, pixels, call.subject.shape, dict(call.params), origin]


def _call(
    ability: Ability,
    subject: bytes | str,
    shape: Sequence[int] | None,
    params: Mapping[str, Any],
    origin: Mapping[str, Any] | None,
) -> ExtractorCall:
    if isinstance(subject, str) or shape is None:
        return ExtractorCall(ability, str(subject), params, origin)
    return ExtractorCall(ability, np.frombuffer(subject, np.uint8).reshape(shape), params, origin)


def _packed_answer(answer: ExtractorAnswer) -> list[Any]:
    if isinstance(answer, LookalikeError):
        return [ERROR, answer.code, *answer.args]
    if isinstance(answer, FeatureRows):
        return [FEATURE, encode_rows(answer), answer.fingerprint]
    return [ANNOTATED, answer.said]


def _answer(kind: int, *parts: Any) -> ExtractorAnswer:
    if kind == ERROR:
        return error_from_code(*parts)
    if kind == FEATURE:
        rows, fingerprint = parts
        return replace(decode_rows(rows), fingerprint=fingerprint)
    return Annotated(*parts)

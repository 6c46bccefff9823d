"""Asking once more, because the replica that was asked may have died."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from storage.errors import ExtractorFailed

logger = logging.getLogger(__name__)

T = TypeVar("T")


async def ask_twice(name: str, send: Callable[[], Awaitable[T]]) -> T:
    """The answer of the replica that Serve chooses, or of another one where that fails. What a part itself raises comes
    as an answer; Serve's transports raise many types, which all mean that no replica answered. Raises ExtractorFailed.
    """
    try:
        return await send()
    except Exception as failure:
        logger.warning("%s did not answer, another replica is asked: %r", name, failure)
    try:
        return await send()
    except Exception as failure:
        logger.warning("%s did not answer again: %r", name, failure)
        raise ExtractorFailed(f"{name!r} did not answer", "try again in a few seconds") from failure

"""What both clients share: the address and key they speak with, how they are handed a picture, when they try again, and
how they read an outcome.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import httpx

from lookalike_client import failures
from lookalike_client.calls import Call
from lookalike_client.errors import InvalidField
from lookalike_client.loopback import is_loopback

Answer = TypeVar("Answer")
Outcome = httpx.Response | httpx.HTTPError
ImageSource = bytes | os.PathLike[str] | BinaryIO

BUSY_STATUSES = frozenset({429, 503})
CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """retries: attempts after the first. longest_wait_s: a service that asks for more patience is given up."""

    retries: int = 2
    backoff_s: float = 0.2
    longest_wait_s: float = 10.0

    def pause_s(self, attempt: int, retry_after: str | None) -> float | None:
        """Seconds to wait after the failed ``attempt`` (from 0), or None to give up. retry_after: the header."""
        if attempt >= self.retries:
            return None
        asked = _seconds(retry_after)
        if asked is None:
            return self.backoff_s * (1 << attempt) * random.uniform(0.5, 1.0)
        return asked if asked <= self.longest_wait_s else None


@dataclass(frozen=True, slots=True, repr=False)
class Session:
    """One service's address and how to speak with it. Build it by `session`."""

    url: httpx.URL
    api_key: str | None
    timeout_s: float
    policy: RetryPolicy

    def options(self) -> dict[str, Any]:
        """Arguments of ``httpx.Client`` and ``httpx.AsyncClient``."""
        return {
            "base_url": self.url,
            "headers": {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {},
            # Reading the certificates takes 0.1 s, which a shell command over plain http would notice.
            "verify": self.url.scheme == "https",
            # A proxy named in the environment cannot reach this machine's own loopback.
            "trust_env": not is_loopback(self.url.host),
        }

    def request(self, call: Call[Any]) -> dict[str, Any]:
        """Arguments of ``request`` of either httpx client."""
        timeout_s = call.timeout_s or self.timeout_s
        arguments: dict[str, Any] = {
            "method": call.method,
            "url": call.path,
            "params": dict(call.params) or None,
            "headers": dict(call.headers),
            "timeout": httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
        }
        if call.image is not None:
            files = {"image": ("image", call.image, "application/octet-stream")}
            return arguments | {"data": dict(call.form), "files": files}
        return arguments if call.json is None else arguments | {"json": call.json}

    def pause_s(self, call: Call[Any], attempt: int, outcome: Outcome) -> float | None:
        """Seconds to wait before trying again, or None to take the outcome as it is."""
        if not call.repeatable:
            return None
        if isinstance(outcome, httpx.Response):
            busy = outcome.status_code in BUSY_STATUSES and outcome.status_code not in call.expected
            return self.policy.pause_s(attempt, outcome.headers.get("retry-after")) if busy else None
        # A connection that broke may work again at once; one that was refused or timed out will not.
        broke = isinstance(outcome, httpx.ReadError | httpx.WriteError | httpx.RemoteProtocolError)
        return self.policy.pause_s(attempt, None) if broke else None

    def answer(self, call: Call[Answer], outcome: Outcome) -> Answer:
        """The typed answer. Raises the `errors.LookalikeError` that the outcome stands for."""
        if isinstance(outcome, httpx.HTTPError):
            raise failures.from_transport(str(self.url), call.timeout_s or self.timeout_s, outcome) from outcome
        if not outcome.is_success and outcome.status_code not in call.expected:
            raise failures.from_answer(outcome)
        try:
            return call.parse(outcome)
        except (KeyError, TypeError, ValueError, AttributeError) as reason:
            raise failures.from_strange_answer(outcome, reason) from reason

    def __repr__(self) -> str:
        key = ", api_key=..." if self.api_key else ""
        return f"{str(self.url)!r}{key}"


def session(base_url: str, api_key: str | None, timeout_s: float, retries: int) -> Session:
    """Raises `errors.InvalidField` for an address that is no http(s) URL, and a key that no header carries."""
    try:
        url = httpx.URL(base_url.rstrip("/"))
    except httpx.InvalidURL as error:
        raise InvalidField(f"{base_url!r} is not an address ({error})", "give one like http://127.0.0.1:8000") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise InvalidField(f"{base_url!r} is not an http address", "give one like http://127.0.0.1:8000")
    if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
        raise InvalidField("the API key has characters that a header cannot carry", "use printable ASCII characters")
    return Session(url, api_key or None, timeout_s, RetryPolicy(retries=retries))


def _seconds(retry_after: str | None) -> float | None:
    try:
        return max(0.0, float(retry_after or ""))
    except ValueError:
        return None


def image_bytes(source: ImageSource) -> bytes:
    """The file's bytes.

    Raises TypeError for a plain str, which could be a path or an id, and OSError where the file cannot be read.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, os.PathLike):
        return Path(source).read_bytes()
    if isinstance(source, str) or not hasattr(source, "read"):
        raise TypeError(f"an image is bytes, a pathlib.Path or an open binary file, not {type(source).__name__}")
    return source.read()


async def read_image(source: ImageSource) -> bytes:
    """`image_bytes` in a thread, since reading a file would hold up everything else on the loop."""
    if isinstance(source, bytes):
        return source
    from anyio import to_thread  # here, because the shell command imports this file and never awaits

    return await to_thread.run_sync(image_bytes, source)

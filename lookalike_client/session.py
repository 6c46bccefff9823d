"""What both clients share: the address and key they speak with, how they are handed a picture, when they try again, and
how they read an outcome.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO, Generic, TypeVar, cast

import httpx

from lookalike_client import failures
from lookalike_client.calls import Call
from lookalike_client.errors import InvalidField
from lookalike_client.failures import Outcome, Retries
from lookalike_client.loopback import is_loopback

Answer = TypeVar("Answer")
ImageSource = bytes | os.PathLike[str] | BinaryIO

CONNECT_TIMEOUT_S = 5.0
SHORTEST_TIMEOUT_S = 0.001


@dataclass(frozen=True, slots=True, repr=False)
class Session:
    """One service's address and how to speak with it. Build it by `session`."""

    url: httpx.URL
    api_key: str | None
    timeout_s: float
    deadline_s: float | None
    retries: Retries

    def options(self) -> dict[str, Any]:
        """Arguments of ``httpx.Client`` and ``httpx.AsyncClient``."""
        return {
            "base_url": self.url,
            "headers": {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {},
            # Reading the certificates takes 0.1 s, which a shell command over plain http would notice.
            "verify": trusted_certificates() if self.url.scheme == "https" else False,
            # A proxy named in the environment cannot reach this machine's own loopback.
            "trust_env": not is_loopback(self.url.host),
        }

    def request(self, call: Call[Any], left_s: float) -> dict[str, Any]:
        """Arguments of ``request`` of either httpx client. left_s: until the deadline of the call."""
        timeout_s = max(SHORTEST_TIMEOUT_S, min(call.timeout_s or self.timeout_s, left_s))
        arguments: dict[str, Any] = {
            "method": call.method,
            "url": call.path,
            "params": dict(call.params) or None,
            "headers": dict(call.headers),
            "timeout": httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
        }
        if call.files:
            files = [(name, (name, data, "application/octet-stream")) for name, data in call.files]
            return arguments | {"data": dict(call.form), "files": files}
        if call.form:  # multipart all the same
            return arguments | {"files": {name: (None, value) for name, value in call.form.items()}}
        return arguments if call.json is None else arguments | {"json": call.json}

    def whole_s(self, call: Call[Any]) -> float:
        """How long a call may take, with everything that is repeated."""
        if self.deadline_s is not None:
            return self.deadline_s
        return call.timeout_s or self.timeout_s

    def attempts(self, call: Call[Answer]) -> Attempts[Answer]:
        return Attempts(self, call)

    def answer(self, call: Call[Answer], outcome: Outcome) -> Answer:
        """The typed answer. Raises the `errors.LookalikeError` that the outcome stands for."""
        if isinstance(outcome, httpx.HTTPError):
            patience_s = min(call.timeout_s or self.timeout_s, self.whole_s(call))
            raise failures.from_transport(str(self.url), patience_s, outcome) from outcome
        if not outcome.is_success and outcome.status_code not in call.expected:
            raise failures.from_answer(outcome)
        try:
            return call.parse(outcome)
        except (KeyError, TypeError, ValueError, AttributeError) as reason:
            raise failures.from_strange_answer(outcome, reason) from reason

    def __repr__(self) -> str:
        key = ", api_key=..." if self.api_key else ""
        return f"{str(self.url)!r}{key}"


class Attempts(Generic[Answer]):
    """One call, from its first attempt to its answer, or to the end of its retries or of its time."""

    def __init__(self, session: Session, call: Call[Answer]) -> None:
        self._session = session
        self._call = call
        self._ends_at = monotonic() + session.whole_s(call)
        self._failed = 0

    def request(self) -> dict[str, Any]:
        """Arguments of ``request`` of either httpx client, for the next attempt."""
        return self._session.request(self._call, self._ends_at - monotonic())

    def pause_s(self, outcome: Outcome) -> float | None:
        """Seconds to wait before the next attempt, or None to take the outcome as it is."""
        if not failures.may_pass(self._call, outcome):
            return None
        retry_after = outcome.headers.get("retry-after") if isinstance(outcome, httpx.Response) else None
        pause_s = self._session.retries.pause_s(self._failed, retry_after, self._ends_at - monotonic())
        self._failed += 1
        return pause_s

    def answer(self, outcome: Outcome) -> Answer:
        """Raises the `errors.LookalikeError` that the outcome stands for."""
        return self._session.answer(self._call, outcome)


def trusted_certificates() -> ssl.SSLContext | bool:
    """By which a service is known: those in SSL_CERT_FILE or SSL_CERT_DIR, of one on this machine, too, where httpx
    would not look at them; else those that httpx takes. Raises `errors.InvalidField`.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not file and not folder:
        return True
    try:
        return ssl.create_default_context(cafile=file or None, capath=None if file else folder)
    except OSError as error:
        reason = error.strerror or "it holds no certificate"
        raise InvalidField(f"SSL_CERT_FILE: {file!r} cannot be used: {reason}", "name a PEM file") from None


def session(
    base_url: str, api_key: str | None, timeout_s: float, retries: int, deadline_s: float | None = None
) -> Session:
    """Raises `errors.InvalidField` for an address that is no http(s) URL, and a key that no header carries."""
    try:
        url = httpx.URL(base_url.rstrip("/"))
    except httpx.InvalidURL as error:
        raise InvalidField(f"{base_url!r} is not an address ({error})", "give one like http://127.0.0.1:8000") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise InvalidField(f"{base_url!r} is not an http address", "give one like http://127.0.0.1:8000")
    if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
        raise InvalidField("the API key has characters that a header cannot carry", "use printable ASCII characters")
    return Session(url, api_key or None, timeout_s, deadline_s, Retries(retries))


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


def images_bytes(sources: ImageSource | Sequence[ImageSource] | None) -> list[bytes]:
    """Of none, one or several: a list or a tuple. Raises as `image_bytes` does."""
    return [image_bytes(source) for source in _several(sources)]


async def read_images(sources: ImageSource | Sequence[ImageSource] | None) -> list[bytes]:
    """`images_bytes`, each in a thread."""
    return [await read_image(source) for source in _several(sources)]


def _several(sources: ImageSource | Sequence[ImageSource] | None) -> Sequence[ImageSource]:
    if sources is None:
        return ()
    return sources if isinstance(sources, list | tuple) else (cast(ImageSource, sources),)


async def read_image(source: ImageSource) -> bytes:
    """`image_bytes` in a thread, since reading a file would hold up everything else on the loop."""
    if isinstance(source, bytes):
        return source
    from anyio import to_thread  # here, because the shell command imports this file and never awaits

    return await to_thread.run_sync(image_bytes, source)

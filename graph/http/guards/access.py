"""Who may ask: API keys, and what another site may make a browser send. Decided before any body is read."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from graph.config.keyring import Keyring
from graph.http.guards.rates import Rates
from graph.http.guards.rights import ANYBODY, CALLER, NO_KEY, WRONG_KEY, Caller
from lookalike_client.loopback import is_loopback
from storage.errors import Forbidden, Unauthorized

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
DEFAULT_PORTS = {"http": "80", "https": "443"}


class Access:
    """keyring: None where no key is set. open_paths: answered without a key, and whatever the Host header says."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        keyring: Keyring | None,
        allowed_hosts: Collection[str],
        open_paths: Collection[str],
        health_paths: Collection[str],
    ) -> None:
        self._app = app
        self._keyring = keyring
        self._rates = Rates()
        self._allowed_hosts = frozenset(host.lower().strip("[]") for host in allowed_hosts)
        self._open_paths = frozenset(open_paths)
        self._health_paths = frozenset(health_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope[CALLER] = ANYBODY if self._keyring is None else NO_KEY
            self._check(scope)
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path in self._health_paths:
            return
        if self._keyring is None:
            self._check_host(headers.get(b"host", b"").decode("latin-1"))
        elif path not in self._open_paths:
            self._check_key(scope, headers, self._keyring)
        if scope["method"] not in SAFE_METHODS:
            self._check_origin(headers)

    def _check_key(self, scope: Scope, headers: dict[bytes, bytes], keyring: Keyring) -> None:
        """Notes who it is that asks."""
        scheme, _, bearer = headers.get(b"authorization", b"").partition(b" ")
        given = bearer.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
        if not given:
            raise Unauthorized(
                "this service needs an API key", "send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"
            )
        key = keyring.find(given)
        if key is None:
            scope[CALLER] = WRONG_KEY
            raise Unauthorized("the API key is not one of this service's keys", "check LOOKALIKE_API_KEY")
        scope[CALLER] = Caller(key.name, frozenset())
        if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
            raise Unauthorized(f"the API key {key.name!r} has expired", "ask for a new one")
        scope[CALLER] = Caller(key.name, frozenset(key.rights))
        self._rates.take(key)

    def _check_host(self, host: str) -> None:
        """Without keys only names of this machine are answered: any other is a site that was rebound to it."""
        name = host_name(host)
        if name not in self._allowed_hosts and not (name and is_loopback(name)):
            raise Forbidden(
                f"the service has no API key and does not answer to the name {name!r}",
                "use 127.0.0.1, or set allowed_hosts",
            )

    def _check_origin(self, headers: dict[bytes, bytes]) -> None:
        """A page of another site may make a browser send a form here; the browser then says whose page it was."""
        origin = headers.get(b"origin", b"").decode("latin-1")
        if not origin:
            if headers.get(b"sec-fetch-site", b"") in (b"cross-site", b"same-site"):
                raise Forbidden("a page of another site may not send this", "open the service's own page")
            return
        scheme, _, netloc = origin.lower().partition("://")
        default = f":{DEFAULT_PORTS.get(scheme, '')}"
        own = headers.get(b"host", b"").decode("latin-1").lower()
        if own and netloc.removesuffix(default) == own.removesuffix(default):
            return
        if (
            self._keyring is not None and host_name(netloc) in self._allowed_hosts
        ):  # the name that a proxy shows to browsers
            return
        raise Forbidden(f"a page of {origin} may not send this", "open the service's own page, or set allowed_hosts")


def host_name(netloc: str) -> str:
    """The name in ``host:port``, lower case, IPv6 without brackets; empty where it is not one."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""

"""The keys of a service as they are now: those of its settings, and those of a file that may change while it runs."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from graph.config.api_keys import ApiKey, check_names, hash_of
from graph.config.faults import first_fault
from graph.config.settings import AppSettings
from graph.config.yaml_source import on_one_line, read_yaml
from storage.errors import Misconfigured

logger = logging.getLogger(__name__)

LOOK_INTERVAL_S = 1.0
Stamp = tuple[int, int, int, int]  # of a file; another one tells that it may have changed


class _Keys(BaseModel):
    """What a list of keys is checked by, so that errors name their place in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_keys: tuple[ApiKey, ...]


class Keyring:
    """Belongs to one event loop. Raises Misconfigured where the file cannot be used at the start; a file that cannot be
    used later leaves the keys as they were.
    """

    def __init__(
        self, listed: Sequence[ApiKey], file: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._listed = tuple(listed)
        self._file = file
        self._clock = clock
        self._keys = self._listed
        self._looked_at = clock()
        self._stamp: Stamp | None = None
        if file is not None:
            self._stamp = _stamp(file)
            self._keys = read_keys(file, self._listed)

    def find(self, given: bytes) -> ApiKey | None:
        """Every key is compared, in constant time: the answer's delay tells nothing of the keys."""
        self._look()
        hashed = hash_of(given).encode()
        matching = [key for key in self._keys if hmac.compare_digest(hashed, key.hash.encode())]
        return matching[0] if matching else None

    def _look(self) -> None:
        now = self._clock()
        if self._file is None or now - self._looked_at < LOOK_INTERVAL_S:
            return
        self._looked_at = now
        stamp = _stamp(self._file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._keys = read_keys(self._file, self._listed)
        except Misconfigured as failure:
            logger.error("the keys stay as they were: %s", failure)
        else:
            logger.warning("read %s again: %s", self._file, ", ".join(key.name for key in self._keys) or "no keys")


def keyring(settings: AppSettings) -> Keyring:
    """Raises Misconfigured."""
    return Keyring(settings.api_keys, settings.api_keys_file)


def read_keys(file: Path, listed: Sequence[ApiKey] = ()) -> tuple[ApiKey, ...]:
    """Those listed and those of the file, which holds a list of objects. Raises Misconfigured, with file and line."""
    source = read_yaml(file, what="a file of API keys")
    if not isinstance(source.value, list):  # an empty file, too: whoever means no key writes []
        raise source.fault((), "it is not a list of keys", "start each key with `- `, or write [] where there is none")

    def fault(path: tuple[str | int, ...], message: str, hint: str) -> Misconfigured:
        return source.fault(path[1:], message, hint)

    try:
        keys = _Keys.model_validate({"api_keys": source.value}).api_keys
    except ValidationError as error:
        raise first_fault(error, _Keys, fault, prefix="file") from None
    try:
        return check_names((*listed, *keys))
    except ValueError as error:
        raise source.fault((), str(error), "each key has one object, with a name of its own") from None


def as_yaml(key: ApiKey) -> str:
    """An entry of the file."""
    return f"- {on_one_line(key.model_dump(mode='json', exclude_none=True))}"


def _stamp(file: Path) -> Stamp | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino

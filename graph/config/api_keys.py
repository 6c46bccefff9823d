"""API keys as an operator lists them: what each is called, its hash, what it may do, until when and how often.

A key is 256 random bits, so that SHA-256 is hash enough: there is nothing to guess that a slow hash would have to
protect, and every request is checked against every key.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from storage.errors import InvalidField, did_you_mean

Right = Literal["read", "write", "admin"]
RIGHTS: tuple[Right, ...] = get_args(Right)
ALGORITHM = "sha256:"
KEY_BYTES = 32
MARK = "lk_"  # by which people and scanners for leaked secrets know what it is

PLAIN_KEY = re.compile(r"[\x21-\x7e]{8,512}")


def _utc(value: object) -> object:
    """A day begins at midnight; a time without a zone is UTC. As YAML has them, or in ISO 8601."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("not a day such as 2027-01-31, or a time such as 2027-01-31T12:00Z") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if value is not None and not isinstance(value, datetime):
        raise ValueError("not a day such as 2027-01-31, or a time such as 2027-01-31T12:00Z")
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def _each_once(rights: object) -> object:
    if isinstance(rights, (list, tuple)):
        for right in rights:
            if right not in RIGHTS:
                raise ValueError(f"unknown right {right!r}: {did_you_mean(right, RIGHTS)}")
        return tuple(right for right in RIGHTS if right in rights)
    raise ValueError(f"not a list of rights, of {', '.join(RIGHTS)}")


class ApiKey(BaseModel):
    """One key. expires_at: from then on it is refused. requests_per_minute: of each router."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[\w][\w .@-]*$", max_length=64)] = Field(
        description="what logs call it"
    )
    hash: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")] = Field(
        description="sha256: and the SHA-256 of the key in hexadecimal digits"
    )
    rights: Annotated[tuple[Right, ...], BeforeValidator(_each_once)] = Field(
        min_length=1, description="which of read, write and admin it has; none includes another"
    )
    expires_at: Annotated[datetime | None, BeforeValidator(_utc)] = Field(
        default=None, description="when it ends: a day, at midnight UTC, or a time in ISO 8601; never unless said"
    )
    requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="most requests that each router answers within any minute; more get 429; no bound unless said",
    )


def hash_of(key: str | bytes) -> str:
    return ALGORITHM + hashlib.sha256(key.encode() if isinstance(key, str) else key).hexdigest()


def new_key(
    name: str, rights: Sequence[str], expires_at: str | None = None, requests_per_minute: int | None = None
) -> tuple[str, ApiKey]:
    """The key itself, which is kept nowhere, and what is kept of it. Raises InvalidField."""
    key = MARK + secrets.token_urlsafe(KEY_BYTES)
    told = {"name": name, "hash": hash_of(key), "rights": list(rights), "expires_at": expires_at}
    try:
        kept = ApiKey.model_validate({**told, "requests_per_minute": requests_per_minute})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = str(problem["loc"][0])
        raise InvalidField(f"{field}: {said(problem)}", ApiKey.model_fields[field].description or "") from None
    if kept.expires_at is not None and kept.expires_at <= datetime.now(UTC):
        raise InvalidField(f"expires_at: {expires_at} is past", "give a later one")
    return key, kept


def hashed(entries: object) -> object:
    """A list of keys with an object in the place of each plain one, which has all rights. Raises ValueError."""
    if not isinstance(entries, (list, tuple)):
        return entries
    keys = []
    for at, entry in enumerate(entries):
        if not isinstance(entry, str):
            keys.append(entry)
        elif not PLAIN_KEY.fullmatch(entry):
            raise ValueError(f"key {at + 1} of {len(entries)}: a plain key has 8 to 512 visible ASCII characters")
        elif entry not in entries[:at]:
            keys.append(ApiKey(name=f"key {at + 1}", hash=hash_of(entry), rights=RIGHTS))
    return keys


def check_names(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
    """Raises ValueError for a name or a key that is there twice."""
    by_name: set[str] = set()
    by_hash: dict[str, str] = {}
    for key in keys:
        if key.name in by_name:
            raise ValueError(f"two keys have the name {key.name!r}")
        if key.hash in by_hash:
            raise ValueError(f"{by_hash[key.hash]!r} and {key.name!r} are the same key")
        by_name.add(key.name)
        by_hash[key.hash] = key.name
    return keys


def said(problem: Any) -> str:
    """What pydantic found, in words, without the value, which may be a key."""
    message: str = problem["msg"]
    return message.removeprefix("Value error, ")

"""What a file holds, in one line."""

from __future__ import annotations

import hashlib


def digest_of(path: str) -> str | None:
    """The SHA-256 of a file's bytes, hex; None where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None

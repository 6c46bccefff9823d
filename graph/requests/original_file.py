"""Reading the file that a picture was indexed from."""

from __future__ import annotations

import hashlib
from pathlib import Path


def read_original(path: str, sha256: str) -> bytes:
    """The file's bytes. Raises OSError when it is gone or holds another picture by now."""
    data = Path(path).read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise FileNotFoundError(f"{path} is not the picture that was indexed any more")
    return data

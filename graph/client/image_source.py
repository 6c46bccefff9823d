"""The ways to hand a client a picture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

ImageSource = bytes | os.PathLike[str] | BinaryIO


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

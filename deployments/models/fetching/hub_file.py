"""One file of the Hugging Face hub, put into the cache: continued where it broke off, verified, and given its name."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from storage.errors import ExtractorUnavailable

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 15.0
MOST_FRUITLESS = 2  # attempts one after the other that bring nothing
PAUSE_S = 1.0
BLOB = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

Count = Callable[[int], None]  # bytes that came; fewer than 0 where some had to be thrown away


@dataclass(frozen=True, slots=True)
class HubFile:
    """size: bytes. blob: what the cache calls the content: its SHA-256 where it is a large file, else git's hash."""

    name: str
    size: int
    blob: str

    @classmethod
    def listed(cls, sibling: RepoSibling) -> HubFile:
        """Raises `ExtractorUnavailable` for a listing that does not say what the file holds."""
        large = sibling.lfs
        blob, size = (large.sha256, large.size) if large else (sibling.blob_id, sibling.size)
        if blob is None or size is None or not BLOB.fullmatch(blob):
            raise ExtractorUnavailable(f"the hub's listing says nothing of {sibling.rfilename!r}", "check HF_ENDPOINT")
        return cls(sibling.rfilename, size, blob)

    def digest_of(self, path: Path) -> str:
        if len(self.blob) == 64:
            with path.open("rb") as content:
                return hashlib.file_digest(content, "sha256").hexdigest()
        data = path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def partial_path(file: HubFile, blobs: Path) -> Path:
    return blobs / f"{file.blob}.partial"


def partial_bytes(file: HubFile, blobs: Path) -> int:
    """What is here of the file already."""
    for path in (blobs / file.blob, partial_path(file, blobs)):
        if path.is_file():
            return min(path.stat().st_size, file.size)
    return 0


def fetch(file: HubFile, url: str, blobs: Path, count: Count) -> None:
    """Leaves the whole file at ``blobs/<blob>``.

    Raises what huggingface_hub and its HTTP library raise, and `ExtractorUnavailable` for a file that is not what the
    hub said, or that another process is fetching.
    """
    whole, partial = blobs / file.blob, partial_path(file, blobs)
    if whole.is_file() and whole.stat().st_size == file.size:
        return
    blobs.mkdir(parents=True, exist_ok=True)
    with partial.open("ab") as target:
        try:
            fcntl.flock(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"another process is fetching {file.name}"
            raise ExtractorUnavailable(message, "wait for it, then run the same command again") from error
        _complete(file, url, target, count)
        if file.digest_of(partial) != file.blob:
            partial.unlink()
            message = f"{file.name} came damaged: it is not what the hub's listing says"
            raise ExtractorUnavailable(message, "run the same command again to fetch it anew")
        os.replace(partial, whole)


def link(blob: Path, name: Path) -> None:
    """Gives a blob its name in a snapshot."""
    name.parent.mkdir(parents=True, exist_ok=True)
    name.unlink(missing_ok=True)
    try:
        name.symlink_to(os.path.relpath(blob, name.parent))
    except OSError:  # a file system without symbolic links
        shutil.copyfile(blob, name)


def _complete(file: HubFile, url: str, target: BinaryIO, count: Count) -> None:
    """Goes on after a connection that broke, for as long as each brings something."""
    from httpx2 import TransportError

    fruitless = 0
    while (before := target.tell()) < file.size:
        try:
            _append(file, url, target, count)
        except TransportError:
            fruitless = fruitless + 1 if target.tell() <= before else 0
            if fruitless > MOST_FRUITLESS:
                raise
            time.sleep(PAUSE_S)
    target.flush()


def _append(file: HubFile, url: str, target: BinaryIO, count: Count) -> None:
    from httpx2 import RemoteProtocolError, Timeout
    from huggingface_hub import get_session
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

    have = target.tell()
    headers = {**build_hf_headers(library_name="lookalike"), "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    timeout = Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    with get_session().stream("GET", url, headers=headers, timeout=timeout) as response:
        if response.is_error:
            response.read()
            hf_raise_for_status(response)
        if have and response.status_code != 206:  # the server starts from the beginning
            target.seek(0)
            target.truncate()
            count(-have)
        for chunk in response.iter_bytes():
            target.write(chunk)
            count(len(chunk))
            if target.tell() > file.size:
                return
    if target.tell() < file.size:
        raise RemoteProtocolError("the answer ended too early")

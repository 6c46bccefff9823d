"""A made-up index whose pictures are files of a folder, for the tests of moving duplicates."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx

from lookalike_client import DuplicateGroup, DuplicatePicture
from tests.suites.client_suite import failure, reply


def picture(path: Path | None, *, id: str = "", distance: int | None = None) -> DuplicatePicture:
    """As the service describes the file as it is now. distance: of a duplicate, which is surely the same."""
    data = b"" if path is None else path.read_bytes()
    name = id or (path.name if path else "upload")
    said: dict[str, Any] = {} if distance is None else {"relation": "same", "confidence": 0.995}
    sha256, where = hashlib.sha256(data).hexdigest(), None if path is None else str(path)
    return DuplicatePicture(name, 64, 48, len(data), sha256, where, distance, **said)


def group(keep: Path | None, *duplicates: Path | None, left_out: int = 0) -> DuplicateGroup:
    found = tuple(picture(path, distance=3 + place) for place, path in enumerate(duplicates))
    return DuplicateGroup(picture(keep, id="" if keep else "kept upload"), found, left_out)


def write(folder: Path, *names: str) -> list[Path]:
    """Files with contents of their own."""
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"picture {path.name}".encode(errors="surrogateescape") * 50)
    return paths


class Index:
    """A service with these groups, whose rows can be read and deleted."""

    def __init__(self, *groups: DuplicateGroup) -> None:
        self.groups = list(groups)
        self.rows = {one.id: one for found in groups for one in (found.keep, *found.duplicates)}
        self.deleted: list[str] = []
        self.job_paths: list[str] = []
        self.asked: list[dict[str, str]] = []
        self.is_down = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.is_down:
            raise httpx.ConnectError("Connection refused")
        path = unquote(request.url.raw_path.decode().partition("?")[0])
        if path == "/v1/duplicates":
            self.asked.append(dict(request.url.params))
            return reply(self._page())
        if path == "/v1/jobs":
            return reply({"jobs": [self._job()] if self.job_paths else []})
        image_id = path.removeprefix("/v1/images/")
        row = self.rows.get(image_id)
        if row is None:
            return failure("image_not_found", 404)
        if request.method == "DELETE":
            del self.rows[image_id]
            self.deleted.append(image_id)
            return httpx.Response(204)
        body = {"id": row.id, "width": 64, "height": 48, "sha256": row.sha256, "features": {}, "path": row.path}
        body |= {"added_at": "2024-05-01T12:00:00Z", "metadata": {}, "bytes": row.byte_size}
        return httpx.Response(200, content=json.dumps(body))  # ASCII, for names that are not UTF-8

    def _page(self) -> dict[str, Any]:
        """What is left of the groups."""
        groups = []
        for found in self.groups:
            left = [_shown(one) for one in found.duplicates if one.id in self.rows]
            if left:
                keep = {name: value for name, value in _shown(found.keep).items() if name != "distance"}
                groups.append({"keep": keep, "duplicates": left, "left_out": found.left_out})
        return {"groups": groups, "next_cursor": None, "looked_at": len(self.rows), "undecided": 0}

    def _job(self) -> dict[str, Any]:
        moment = "2024-05-01T12:00:00Z"
        arguments = {"paths": self.job_paths}
        job = {"id": "job", "kind": "index", "state": "running", "submitted_at": moment, "updated_at": moment}
        return job | {"arguments": arguments}


def _shown(one: DuplicatePicture) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__}

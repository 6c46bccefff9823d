"""The photos that an evaluation is about: drawn from the collection, or from a folder. Nothing is written."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graph.jobs.running.fleet_shards import ShardCalls
from graph.jobs.scanning.listing import list_images
from graph.requests.decoding import read_original
from storage.errors import InvalidField
from storage.files import EVERYWHERE
from storage.operations.draws import Draw
from storage.operations.pictures import Original, Records, Thumbnail
from storage.shard.placement import shard_of
from storage.types.pictures import ImageRecord


@dataclass(frozen=True, slots=True)
class Drawn:
    """A photo. id: its own in the collection; None of a file of a folder. path: of its file; None of an upload."""

    id: str | None
    path: str | None

    @property
    def name(self) -> str:
        return self.id or self.path or ""


class Library:
    """The pictures of the collection, as files."""

    def __init__(self, shards: ShardCalls) -> None:
        self._shards = shards

    def draw(self, seed: int, count: int) -> list[Drawn]:
        """So many of the pictures whose file is not known to be gone, or all of them, in an order by chance."""
        found = [entry for of_shard in self._shards.ask_each(Draw(seed, count)) for entry in of_shard]
        found.sort(key=lambda entry: entry[0])
        return [Drawn(record.id, _path(record)) for _, record in found[:count]]

    def original(self, image_id: str) -> bytes | None:
        """What the picture was made of: its file, or the one that was kept of an upload; None where neither can be
        read.
        """
        shard = shard_of(image_id, self._shards.count)
        [record] = self._shards.ask_patiently(shard, Records((image_id,)))
        if record is None:
            return None
        path = _path(record)
        if path is not None:
            try:
                return read_original(path, record.sha256)
            except OSError:
                return None
        return self._shards.ask_patiently(shard, Original(image_id)) or None

    def holds(self, image_id: str, sha256: str) -> bool:
        """Whether the picture was made of a file with this checksum."""
        return self._shards.holds(shard_of(image_id, self._shards.count), image_id, sha256)

    def thumbnail(self, image_id: str) -> bytes | None:
        shard = shard_of(image_id, self._shards.count)
        return self._shards.ask_patiently(shard, Thumbnail(image_id)) or None


def folder_photos(path: str, seed: int, count: int, roots: Sequence[Path] = EVERYWHERE) -> list[Drawn]:
    """So many of the picture files in a folder, or all of them, in an order by chance. Raises `InvalidField` where
    there is none.
    """
    files = sorted(file.source.path for file in list_images([path], roots=roots).files)
    if not files:
        raise InvalidField(f"no picture file was found in {path}", "check the path, on the service's machine")
    random.Random(seed).shuffle(files)
    return [Drawn(None, file) for file in files[:count]]


def read_file(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


def _path(record: ImageRecord) -> str | None:
    return None if record.source is None else record.source.path

"""Which of several pictures of one photograph is worth keeping, and why."""

from __future__ import annotations

from lookalike_client.answers import BetterBy
from storage.types.pictures import ImageRecord

LOSSLESS = frozenset({"png", "tiff", "bmp"})
NO_PATH = 1 << 30

Worth = tuple[int, int, int, float, int, str, str]  # the smaller it is, the more worth keeping


def worth_of(record: ImageRecord) -> Worth:
    """Orders pictures: by pixels, by bytes, those of a lossless format, the older one, the one with the shorter path;
    then by path and id, so that of two pictures one always is before the other. An imported picture of unknown size
    has no pixels, so it comes last.
    """
    path = "" if record.source is None else record.source.path
    return (
        -record.width * record.height,
        -record.byte_size,
        0 if record.format in LOSSLESS else 1,
        _made_at(record),
        len(path) or NO_PATH,
        path,
        record.id,
    )


def better_by(kept: ImageRecord, other: ImageRecord) -> tuple[BetterBy, ...]:
    """In what the kept picture is the better one, the weightiest first."""
    names: tuple[BetterBy, ...] = ("pixels", "bytes", "format", "age", "path")
    pairs = zip(names, worth_of(kept), worth_of(other), strict=False)
    return tuple(name for name, own, its in pairs if own < its)  # type: ignore[operator]


def _made_at(record: ImageRecord) -> float:
    """When the file was written; of an upload, when it was added. Unix seconds."""
    return record.added_at if record.source is None else record.source.mtime_ns / 1e9

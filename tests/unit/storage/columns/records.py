"""Pictures made up by chance, and what a filter means of them in plain Python, one record at a time."""

from __future__ import annotations

import operator
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from storage.filters.times import span_of
from storage.types.filters import AllOf, AnyOf, Comparison, Filter, Not
from storage.types.pictures import Exif, ImageRecord, SourceFile

FOLDERS = ["/photos/2019", "/photos/2019/06", "/photos/20190", "/old/2019/x", "/", "/É/ß"]
CAMERAS = [None, "Canon EOS 5D", "CAFÉ 1", "Nikon"]
TAKEN = [
    None,
    "2019-06-30T12:00:00",
    "2019-06-30T12:00:00.5+02:00",
    "2019-12-31T23:59:59",
    "2020-01-01T00:00:00Z",
    "no",
]
METADATA: Sequence[dict[str, Any]] = (
    {}, {"rating": 4}, {"rating": "4", "a": {"b": "x"}}, {"rating": 4.5, "a": {"b": ["X", 1]}}, {"a": {"b": True}},
    {"rating": None}, {"rating": "four", "odd key.1": "x"}, {"a": {"b": 1}}, {"a": {"b": {"c": 1}}}, {"a": 5},
)  # fmt: skip
WORDS: Sequence[Sequence[str]] = ([], ["Bridge"], ["red", "bridges"], ["Straße", "red", "bridge"])
TAGS: Sequence[Sequence[str]] = ([], ["night"], ["Night sky", "red car"], ["STRASSE", "x"])
ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def made_up(rng: random.Random, number: int, **fields: Any) -> ImageRecord:
    folder = rng.choice(FOLDERS)
    name = rng.choice([f"IMG_{number}.jpg", f"img_{number}.JPG", f"{number}é.png", f"{number} É.png"])
    path = None if rng.random() < 0.2 else f"{folder.rstrip('/')}/{name}"
    annotations: dict[str, Any] = {}
    if tags := rng.choice(TAGS):
        annotations["tags"] = [{"label": tag, "score": 0.5} for tag in tags]
    if rng.random() < 0.5:
        annotations["caption"] = rng.choice(["a bridge in 2019", "A Canon", ""])
    size = rng.choice([(640, 480), (480, 640), (1000, 1), (0, 0)])
    values: dict[str, Any] = {
        "id": f"{rng.choice(['a/b', 'A', 'É', 'img'])}{number}",
        "width": size[0],
        "height": size[1],
        "sha256": f"{number:064x}",
        "format": "" if size[0] == 0 else rng.choice(["jpeg", "png"]),
        "byte_size": rng.choice([0, 1000, 1001]),
        "added_at": datetime(2019, rng.choice([1, 6]), 30, 12, tzinfo=UTC).timestamp() + rng.choice([0, 0.5]),
        "features": {"phash": "ok"},
        "metadata": rng.choice(METADATA),
        "source": None if path is None else SourceFile(path, 10, 20),
        "annotations": annotations,
        "exif": rng.choice([None, Exif(rng.choice(TAKEN), rng.choice(CAMERAS), 1, rng.choice([None, (1.0, 2.0)]))]),
        "missing": rng.random() < 0.2,
    }
    return ImageRecord(**{**values, **fields})


def matches(filter: Filter, record: ImageRecord, words: Sequence[str]) -> bool:
    match filter:
        case Not(part):
            return not matches(part, record, words)
        case AllOf(parts):
            return all(matches(part, record, words) for part in parts)
        case AnyOf(parts):
            return any(matches(part, record, words) for part in parts)
        case Comparison(op="!="):
            return not _compares(Comparison(filter.field, "=", filter.values, filter.key), record, words)
        case Comparison():
            return _compares(filter, record, words)


def _compares(asked: Comparison, record: ImageRecord, words: Sequence[str]) -> bool:
    found = _values(asked, record, words)
    if asked.op == "exists":
        return found is not None
    if asked.field == "words":  # every word of a value has to be there
        parts = [str(value).split() for value in asked.values]
        return any(bool(own) and all(any(_one(asked, one, word) for one in words) for word in own) for own in parts)
    return any(_one(asked, one, value) for one in found or () for value in asked.values)


def _values(asked: Comparison, record: ImageRecord, words: Sequence[str]) -> Sequence[Any] | None:
    """None where the picture does not have the field."""
    exif = record.exif or Exif()
    path = None if record.source is None else record.source.path
    tags = [tag["label"] for tag in record.annotations.get("tags", ())]
    single: dict[str, Any] = {
        "id": record.id,
        "path": path,
        "folder": None if path is None else path.rpartition("/")[0] or "/",
        "format": record.format or None,
        "width": record.width or None,
        "height": record.height or None,
        "pixels": record.width * record.height or None,
        "bytes": record.byte_size or None,
        "added_at": datetime.fromtimestamp(record.added_at, UTC).replace(tzinfo=None),
        "taken_at": None if exif.taken_at in (None, "no") else _local(exif.taken_at),
        "camera": exif.camera,
        "missing": record.missing,
        "caption": record.annotations.get("caption") or None,
        "gps": exif.gps,
    }
    if asked.field in ("tags", "words"):
        return {"tags": tags, "words": words}[asked.field] or None
    if asked.field != "metadata":
        found = single[asked.field]
    else:
        found = record.metadata
        for key in asked.key:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, list):
            return found
    return None if found is None else [found]


def _local(text: str | None) -> datetime:
    return datetime.fromisoformat(text or "").replace(tzinfo=None)


def _one(asked: Comparison, found: Any, value: Any) -> bool:
    op, order = asked.op, ORDER.get(asked.op)
    match asked.field:
        case "folder" if op != "~":
            inside, wanted = found.rstrip("/") + "/", value.rstrip("/") + "/"
            return bool(value) and (inside.startswith(wanted) if value[0] == "/" else f"/{wanted}" in inside)
        case "added_at" | "taken_at":
            at = (found - datetime(1970, 1, 1)).total_seconds() * 1e6
            begin, end = span_of(value, local=asked.field == "taken_at")
            return bool({"<": at < begin, ">=": at >= begin, "<=": at < end, ">": at >= end}.get(op, begin <= at < end))
        case "metadata" if isinstance(found, bool):
            return bool(op in ("=", "in") and str(found).lower() == value.lower())
        case "metadata" if isinstance(found, dict):
            return False
        case "metadata" if not isinstance(found, str) and op != "~":
            try:
                return bool((order or operator.eq)(found, float(value)))
            except ValueError:
                return False
        case "words":
            return bool(value.casefold() in found.casefold() if op == "~" else value.casefold() == found.casefold())
        case "format" | "camera" | "caption" | "tags":
            found, value = found.casefold(), value.casefold()
    if op == "~":
        return str(value).casefold() in str(found).casefold()
    return bool((order or operator.eq)(found, value))

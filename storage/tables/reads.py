"""Questions about stored pictures, and how many there are, each answered within one read transaction."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from itertools import groupby, islice, takewhile

import numpy as np

from storage.encoding.feature_rows import decode_rows
from storage.encoding.keys import PREFIX_BYTES, number_key, text_key_start
from storage.index.vector_index import VectorIndex, row_width
from storage.index.whitening import WhitenedIndex
from storage.kv.store import ReadTransaction
from storage.tables.model_versions import ModelVersions
from storage.tables.schema import (
    FILE_NAMES,
    HANDLES,
    IMAGES,
    StoredImage,
    decode_image,
    feature_table,
    file_name_start,
    image_by_id,
    missing_count,
    waiting_count,
)
from storage.types.features import FeatureRows, FeatureSpec, FloatVectors, Vectors
from storage.types.pictures import ImageRecord
from storage.types.reports import FeatureStats, ModelVersion


def records_of(transaction: ReadTransaction, ids: Sequence[str], versions: ModelVersions) -> list[ImageRecord | None]:
    images = [image_by_id(transaction, image_id) for image_id in ids]
    return [None if image is None else versions.shown(image.record) for image in images]


def page_after(
    transaction: ReadTransaction, after: str | None, limit: int, versions: ModelVersions, *, missing: bool = True
) -> list[ImageRecord]:
    """Up to ``limit`` records whose ids sort after ``after``, in the order of their UTF-8 bytes. missing: whether those
    whose file is gone are among them.
    """
    start = b"" if after is None else text_key_start(after)
    bound = b"" if after is None else after.encode("utf-8", "surrogatepass")
    ordered = (image.record for image in _by_id(transaction, start) if image.record.id.encode() > bound)
    wanted = (record for record in ordered if missing or not record.missing)
    return [versions.shown(record) for record in islice(wanted, limit)]


def _by_id(transaction: ReadTransaction, start: bytes) -> Iterator[StoredImage]:
    """Images in the byte order of their ids; keys alone leave ids that share their first 400 bytes in any order."""
    for _, entries in groupby(transaction.items(IMAGES, start), key=lambda entry: entry[0][:PREFIX_BYTES]):
        images = [decode_image(value) for _, value in entries]
        yield from sorted(images, key=lambda image: image.record.id.encode())


def drawn(
    transaction: ReadTransaction, seed: int, count: int, versions: ModelVersions
) -> list[tuple[bytes, ImageRecord]]:
    """Up to ``count`` records whose file is not gone, each behind its place, in the order of their places. Places are
    as good as chance, and depend on the seed and the id alone.
    """
    key = seed.to_bytes(8, "big")
    ids = (image_id for _, image_id in transaction.items(HANDLES))
    places = ((blake2b(image_id, digest_size=16, key=key).digest(), image_id) for image_id in ids)
    first = heapq.nsmallest(count + missing_count(transaction), places)
    found = ((place, image_by_id(transaction, image_id.decode())) for place, image_id in first)
    there = ((place, image.record) for place, image in found if image is not None and not image.record.missing)
    return [(place, versions.shown(record)) for place, record in islice(there, count)]


def bytes_of(transaction: ReadTransaction, table: str, image_id: str) -> bytes | None:
    """What the table has of the image; None where there is no such image."""
    image = image_by_id(transaction, image_id)
    return None if image is None else transaction.get(table, number_key(image.handle))


def features_of(
    transaction: ReadTransaction, image_id: str, names: Sequence[str], versions: ModelVersions
) -> dict[str, FeatureRows] | None:
    """Those of the features that the image has, of the version in use; None where there is no such image."""
    image = image_by_id(transaction, image_id)
    if image is None:
        return None
    specs = {name: versions.specs[versions.in_use[name]] for name in names if name in versions.in_use}
    at = number_key(image.handle)
    values = {name: transaction.get(feature_table(spec.name), at) for name, spec in specs.items()}
    return {
        name: replace(decode_rows(value), fingerprint=specs[name].fingerprint)
        for name, value in values.items()
        if value is not None
    }


def rows_of_each(
    transaction: ReadTransaction, ids: Sequence[str], names: Sequence[str], versions: ModelVersions
) -> list[dict[str, Vectors] | None]:
    """The rows of `features_of`, of each image."""
    found = (features_of(transaction, image_id, names, versions) for image_id in ids)
    return [None if one is None else {name: feature.rows for name, feature in one.items()} for one in found]


def ids_of_file_name(transaction: ReadTransaction, name: str) -> list[str]:
    """Of the pictures whose metadata has this ``file_name``, oldest first."""
    start = file_name_start(name)
    entries = takewhile(lambda entry: entry[0].startswith(start), transaction.items(FILE_NAMES, start))
    return [image_id.decode() for _, image_id in entries]


def sampled_rows(transaction: ReadTransaction, spec: FeatureSpec, count: int, seed: int) -> FloatVectors:
    """(N, D) rows of ``count`` pictures chosen by chance, or of all where there are fewer."""
    table = feature_table(spec.name)
    there = list(transaction.keys(table))
    chosen = there
    if len(there) > count:
        picked = np.random.default_rng(seed).choice(len(there), count, replace=False)
        chosen = [there[place] for place in sorted(picked.tolist())]
    values = (transaction.get(table, at) for at in chosen)
    rows = [np.asarray(decode_rows(value).rows, np.float32) for value in values if value is not None]
    return np.concatenate([np.zeros((0, row_width(spec)), np.float32), *rows])


def feature_stats(transaction: ReadTransaction, name: str, index: VectorIndex) -> FeatureStats:
    images, pending = transaction.count(feature_table(name)), waiting_count(transaction, name)
    whitening = index.whitening.checksum if isinstance(index, WhitenedIndex) else 0
    return FeatureStats(images, index.rows_count, pending, index.kind, index.memory_bytes, whitening)


def version_stats(transaction: ReadTransaction, versions: ModelVersions) -> dict[str, tuple[ModelVersion, ...]]:
    """What there is of every version of each feature, the one in use first."""
    return {
        name: tuple(_described(transaction, versions, name, key) for key in versions.keys_of(name))
        for name in versions.in_use
    }


def _described(transaction: ReadTransaction, versions: ModelVersions, name: str, key: str) -> ModelVersion:
    return ModelVersion(
        replace(versions.specs[key], name=name),
        versions.role_of(name, key),
        versions.origins.get(key, {}),
        images=transaction.count(feature_table(key)),
        pending=waiting_count(transaction, key),
    )

"""The tables of a shard, and its own few facts in ``meta``.

- ``meta``: format, shard, epoch, owner, owners, sequence, next_handle, next_operation, log_start, configured,
  originals_kept, missing; in the first shard thresholds; by the key of a version feature:, whitening:, centroids:,
  absent:; by feature generations:
- ``images``: key of the id -> handle, row as JSON
- ``handles``: handle -> id
- ``feature:<key>``: handle -> encoded rows; a picture has an entry exactly where its row says "ok"
- ``thumbnails``: handle -> JPEG
- ``originals``: handle -> the file's bytes, while features are pending; for good where the shard keeps them
- ``pending``: handle -> id, of the pictures with pending features whose bytes can still be had
- ``file_names``: digest of the metadata's ``file_name`` and handle -> id
- ``sources``: path of a file and handle -> state of the file, id
- ``contents``: size of a file, digest of its SHA-256, handle -> id
- ``removed``: key of the id -> the file of a picture that was removed by hand, which stays out
- ``log``: sequence -> which handles came and went, for bringing a snapshot of an index up to date
- ``operations``: digest of the operation id -> its outcome; ``operation_order`` holds the digests by age
- ``links``: handle -> the pictures that it may be a duplicate of, with what they were judged to be
- ``jobs``, ``job_failures``, ``roots``, ``decisions``: in the first shard
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from storage.encoding.keys import digest_key, number_key, number_of, text_key
from storage.encoding.records import decode_record
from storage.errors import LostOwnership
from storage.kv.store import ReadTransaction, WriteTransaction
from storage.types.features import FeatureState
from storage.types.pictures import FILE_NAME, ImageRecord

FORMAT = 1

META = "meta"
IMAGES = "images"
HANDLES = "handles"
THUMBNAILS = "thumbnails"
ORIGINALS = "originals"
PENDING = "pending"
FILE_NAMES = "file_names"
SOURCES = "sources"
CONTENTS = "contents"
REMOVED = "removed"
LOG = "log"
OPERATIONS = "operations"
OPERATION_ORDER = "operation_order"
JOBS = "jobs"
JOB_FAILURES = "job_failures"
ROOTS = "roots"
LINKS = "links"
DECISIONS = "decisions"
TABLES = (
    META, IMAGES, HANDLES, THUMBNAILS, ORIGINALS, PENDING, FILE_NAMES, SOURCES, CONTENTS, REMOVED, LOG, OPERATIONS,
    OPERATION_ORDER, JOBS, JOB_FAILURES, ROOTS, LINKS, DECISIONS,
)  # fmt: skip

SEQUENCE = b"sequence"
EPOCH = b"epoch"
OWNER = b"owner"
NEXT_HANDLE = b"next_handle"
NEXT_OPERATION = b"next_operation"
SOURCES_EPOCH = b"sources_epoch"  # the last opening that kept ``sources`` and ``contents``
LOG_START = b"log_start"  # the log has every change from this sequence on
_ABSENT = b"absent:"
_MISSING = b"missing"

HANDLE_BYTES = 8


@dataclass(frozen=True, slots=True)
class Ownership:
    """One opening of the shard. epoch: how often it has been opened so far; the highest owns it. owner: a random mark,
    which tells openings of two copies of one folder apart.
    """

    epoch: int
    owner: bytes


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A picture's entry in ``images``."""

    handle: int
    record: ImageRecord


def feature_table(name: str) -> str:
    return f"feature:{name}"


def meta_number(transaction: ReadTransaction, key: bytes) -> int:
    """A number in ``meta``; 0 where it was never set."""
    value = transaction.get(META, key)
    return 0 if value is None else number_of(value)


def put_meta_number(transaction: WriteTransaction, key: bytes, number: int) -> None:
    transaction.put(META, key, number_key(number))


def check_owner(transaction: ReadTransaction, ownership: Ownership) -> None:
    """Raises `LostOwnership` once another process has opened the shard; to be called in every write."""
    if (meta_number(transaction, EPOCH), transaction.get(META, OWNER)) != (ownership.epoch, ownership.owner):
        raise LostOwnership("another process has taken this shard over", "stop this one")


def image_by_id(transaction: ReadTransaction, image_id: str) -> StoredImage | None:
    value = transaction.get(IMAGES, text_key(image_id)) if image_id else None
    return None if value is None else decode_image(value)


def record_by_handle(transaction: ReadTransaction, handle: int) -> ImageRecord | None:
    image_id = transaction.get(HANDLES, number_key(handle))
    if image_id is None:
        return None
    image = image_by_id(transaction, image_id.decode())
    return None if image is None else image.record


def file_name_key(record: ImageRecord, handle: int) -> bytes | None:
    """None of a picture whose metadata has no ``file_name``."""
    name = record.metadata.get(FILE_NAME)
    return file_name_start(name) + number_key(handle) if isinstance(name, str) else None


def file_name_start(name: str) -> bytes:
    """What the keys of all pictures with this file name begin with."""
    return digest_key(name.encode("utf-8", "surrogatepass"))


def encode_image(handle: int, encoded_record: bytes) -> bytes:
    return number_key(handle) + encoded_record


def decode_image(value: bytes) -> StoredImage:
    """Inverse of `encode_image`. Raises `CorruptData`."""
    return StoredImage(number_of(value[:HANDLE_BYTES]), decode_record(value[HANDLE_BYTES:]))


def can_be_filled(record: ImageRecord, has_original: bool) -> bool:
    """Whether the picture waits for features and its bytes can still be had."""
    return "pending" in record.features.values() and (has_original or record.source is not None)


def absent_in(states: Mapping[str, FeatureState]) -> Counter[str]:
    """What one picture's row counts for in `absent_count`."""
    return Counter(key for key, state in states.items() if state == "absent")


def absent_count(transaction: ReadTransaction, key: str) -> int:
    """Pictures whose row says "absent" of the version's key, kept up to date with every write: counting them would mean
    to look at every picture.
    """
    return meta_number(transaction, _ABSENT + key.encode())


def change_absent(transaction: WriteTransaction, changes: Mapping[str, int]) -> None:
    """Adds to the counts, or takes from them."""
    for key, change in changes.items():
        if change:
            put_meta_number(transaction, _ABSENT + key.encode(), max(0, absent_count(transaction, key) + change))


def missing_count(transaction: ReadTransaction) -> int:
    """Pictures whose file is gone, kept up to date with every write as `absent_count` is."""
    return meta_number(transaction, _MISSING)


def change_missing(transaction: WriteTransaction, change: int) -> None:
    """Adds to the count, or takes from it."""
    if change:
        put_meta_number(transaction, _MISSING, max(0, missing_count(transaction) + change))


def forget_absent(transaction: WriteTransaction, key: str) -> None:
    transaction.delete(META, _ABSENT + key.encode())


def waiting_count(transaction: ReadTransaction, key: str) -> int:
    """Pictures that wait for rows of the version: every one either has them, or waits, or is not to have any."""
    return transaction.count(IMAGES) - transaction.count(feature_table(key)) - absent_count(transaction, key)

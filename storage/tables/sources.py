"""Which picture came from which file: told by the file's path, and by its size and bytes.

A picture that was removed by hand leaves a mark with what is known of its file, so that the file stays out.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import islice, takewhile

from storage.encoding.keys import PREFIX_BYTES, digest_key, number_key, number_of, text_key
from storage.encoding.records import decode_fields, encode_fields
from storage.kv.store import LmdbStore, ReadTransaction, WriteTransaction
from storage.tables.registration import CHANGED_AT_ONCE, for_every_image
from storage.tables.schema import (
    CONTENTS,
    HANDLE_BYTES,
    REMOVED,
    SOURCES,
    SOURCES_EPOCH,
    Ownership,
    StoredImage,
    check_owner,
    image_by_id,
    meta_number,
    put_meta_number,
)
from storage.types.library import FileState, IdHolder, KnownFile
from storage.types.pictures import ImageRecord

_STATES: dict[FileState, bytes] = {"stored": b"s", "missing": b"m", "removed": b"r"}
_STATE_NAMES = {mark: state for state, mark in _STATES.items()}


def note_source(transaction: WriteTransaction, stored: StoredImage) -> None:
    """The file of a picture that has come, or whose row has changed. Lifts the mark of a removal of just this file."""
    file = _of_record(stored.record)
    if file is not None:
        lift_removal(transaction, file.id, file.path)
        _put_entries(transaction, file, stored.handle)


def forget_source(transaction: WriteTransaction, stored: StoredImage, *, stays_out: bool = False) -> None:
    """The file of a picture that goes, or whose row is about to change. stays_out: leaves a mark in its place."""
    file = _of_record(stored.record)
    if file is not None and stays_out:
        _put_mark(transaction, file._replace(state="removed", has_exif=True), stored.handle)
    elif file is not None:
        _delete_entries(transaction, file, stored.handle)


def lift_removal(transaction: WriteTransaction, image_id: str, path: str) -> bool:
    """Lets the file at this path come back; whether it was kept out under this id."""
    mark = _mark(transaction, image_id)
    if mark is None or mark[0].path != path:
        return False
    _drop_mark(transaction, *mark)
    return True


def move_removals(transaction: WriteTransaction, files: Iterable[KnownFile]) -> None:
    """The files that are kept out under these ids are these by now."""
    for file in files:
        mark = _mark(transaction, file.id)
        if mark is not None:
            _drop_mark(transaction, *mark)
            _put_mark(transaction, file, mark[1])


def files_below(
    transaction: ReadTransaction, folder: str, start: bytes, limit: int
) -> tuple[list[KnownFile], bytes | None]:
    """Files in the folder at any depth, from the key ``start`` on, and where to go on; None at the end."""
    prefix = _bytes(folder.rstrip("/") + "/")
    first = prefix[:PREFIX_BYTES]
    entries = _starting(transaction, SOURCES, first, start)
    found = list(islice(entries, limit))
    files = (_file(transaction, key, value) for key, value in found)
    inside = [file for file in files if file is not None and _bytes(file.path).startswith(prefix)]
    return inside, found[-1][0] + b"\0" if len(found) == limit else None


def files_at(transaction: ReadTransaction, paths: Iterable[str]) -> list[KnownFile]:
    """Pictures of these very files."""
    found = (
        _file(transaction, key, value)
        for path in paths
        for key, value in _starting(transaction, SOURCES, _path_key(path))
    )
    return [file for file in found if file is not None]


def count_below(transaction: ReadTransaction, folder: str) -> dict[FileState, int]:
    """How many pictures there are of files in the folder, at any depth, by the state of their file."""
    first = _bytes(folder.rstrip("/") + "/")[:PREFIX_BYTES]
    counts = dict.fromkeys(_STATES, 0)
    for _, value in _starting(transaction, SOURCES, first):
        counts[_STATE_NAMES[value[:1]]] += 1
    return counts


def held_sizes(transaction: ReadTransaction, sizes: Iterable[int]) -> list[int]:
    """Those of the sizes that a known file has."""
    keys = {size: number_key(size) for size in sizes}
    return [size for size, key in keys.items() if next(_starting(transaction, CONTENTS, key), None) is not None]


def files_of_contents(transaction: ReadTransaction, contents: Sequence[tuple[int, str]]) -> list[KnownFile]:
    """Known files of these sizes with these SHA-256."""
    found: list[KnownFile | None] = []
    for key in (_contents_key(size, sha256) for size, sha256 in contents):
        for entry, image_id in _starting(transaction, CONTENTS, key):
            found.append(_resolved(transaction, image_id.decode(), number_of(entry[-HANDLE_BYTES:])))
    return [file for file in found if file is not None]


def id_holder(transaction: ReadTransaction, image_id: str) -> IdHolder | None:
    """Whose the id is: a picture's, or that of a file which is kept out; None where it is free."""
    image = image_by_id(transaction, image_id)
    if image is not None:
        record = image.record
        return IdHolder(None if record.source is None else record.source.path, record.sha256, record.byte_size)
    mark = _mark(transaction, image_id)
    return None if mark is None else IdHolder(mark[0].path)


def is_noted(transaction: ReadTransaction, stored: StoredImage) -> bool:
    """Whether a picture is found by its file, as it is to be."""
    file = _of_record(stored.record)
    entries = () if file is None else _entries(file, stored.handle)
    return all(transaction.get(table, key) == value for table, key, value in entries)


def count_strays(transaction: ReadTransaction, known: Container[int]) -> int:
    """Entries that lead to no picture, nor to a mark. known: handles of all pictures."""
    marked = {decode_fields(value)["file"][-1] for _, value in transaction.items(REMOVED)}
    handles = (number_of(key[-HANDLE_BYTES:]) for table in (SOURCES, CONTENTS) for key in transaction.keys(table))
    return sum(handle not in known and handle not in marked for handle in handles)


def keep_sources_current(store: LmdbStore, ownership: Ownership) -> None:
    """Builds what is found by path and contents anew, unless this program was also the last one to open the shard: an
    older one would not have kept it.
    """
    with store.read() as transaction:
        current = meta_number(transaction, SOURCES_EPOCH) == ownership.epoch - 1
    if not current:
        for table in (SOURCES, CONTENTS):
            while store.write(lambda transaction, table=table: _clear_some(transaction, table, ownership)):  # type: ignore[misc]
                pass
        for_every_image(store, ownership, note_source)
        store.write(lambda transaction: _note_marks(transaction, ownership))

    def note(transaction: WriteTransaction) -> None:
        check_owner(transaction, ownership)
        put_meta_number(transaction, SOURCES_EPOCH, ownership.epoch)

    store.write(note)


def _clear_some(transaction: WriteTransaction, table: str, ownership: Ownership) -> int:
    check_owner(transaction, ownership)
    keys = list(islice(transaction.keys(table), CHANGED_AT_ONCE))
    for key in keys:
        transaction.delete(table, key)
    return len(keys)


def _note_marks(transaction: WriteTransaction, ownership: Ownership) -> None:
    check_owner(transaction, ownership)
    marks = [_mark(transaction, decode_fields(value)["id"]) for _, value in transaction.items(REMOVED)]
    move_removals(transaction, [mark[0] for mark in marks if mark is not None])


def _file(transaction: ReadTransaction, key: bytes, value: bytes) -> KnownFile | None:
    return _resolved(transaction, value[1:].decode(), number_of(key[-HANDLE_BYTES:]))


def _resolved(transaction: ReadTransaction, image_id: str, handle: int) -> KnownFile | None:
    """Of the picture with this handle, or of the mark that it left."""
    image = image_by_id(transaction, image_id)
    if image is not None and image.handle == handle:
        return _of_record(image.record)
    mark = _mark(transaction, image_id)
    return mark[0] if mark is not None and mark[1] == handle else None


def _of_record(record: ImageRecord) -> KnownFile | None:
    if record.source is None:
        return None
    state: FileState = "missing" if record.missing else "stored"
    path, size, mtime_ns = record.source.path, record.source.size, record.source.mtime_ns
    return KnownFile(record.id, path, size, mtime_ns, record.sha256, state, record.exif is not None)


def _mark(transaction: ReadTransaction, image_id: str) -> tuple[KnownFile, int] | None:
    """The file that is kept out under this id, and the handle of the picture that was removed."""
    value = transaction.get(REMOVED, text_key(image_id))
    if value is None:
        return None
    path, size, mtime_ns, sha256, handle = decode_fields(value)["file"]
    return KnownFile(image_id, path, size, mtime_ns, sha256, "removed", True), handle


def _put_mark(transaction: WriteTransaction, file: KnownFile, handle: int) -> None:
    """Found by its contents, too: the file may be renamed."""
    fields = [file.path, file.size, file.mtime_ns, file.sha256, handle]
    transaction.put(REMOVED, text_key(file.id), encode_fields({"id": file.id, "file": fields}))
    _put_entries(transaction, file, handle)


def _drop_mark(transaction: WriteTransaction, file: KnownFile, handle: int) -> None:
    transaction.delete(REMOVED, text_key(file.id))
    _delete_entries(transaction, file, handle)


def _put_entries(transaction: WriteTransaction, file: KnownFile, handle: int) -> None:
    for table, key, value in _entries(file, handle):
        transaction.put(table, key, value)


def _delete_entries(transaction: WriteTransaction, file: KnownFile, handle: int) -> None:
    for table, key, _ in _entries(file, handle):
        transaction.delete(table, key)


def _entries(file: KnownFile, handle: int) -> tuple[tuple[str, bytes, bytes], ...]:
    """(table, key, value) by which a file is found."""
    key, image_id = number_key(handle), file.id.encode()
    return (
        (SOURCES, _path_key(file.path) + key, _STATES[file.state] + image_id),
        (CONTENTS, _contents_key(file.size, file.sha256) + key, image_id),
    )


def _starting(
    transaction: ReadTransaction, table: str, prefix: bytes, start: bytes = b""
) -> Iterator[tuple[bytes, bytes]]:
    """Entries whose keys begin so, from the key ``start`` on."""
    entries = transaction.items(table, max(prefix, start))
    return takewhile(lambda entry: entry[0].startswith(prefix), entries)


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogatepass")


def _path_key(path: str) -> bytes:
    return text_key(path) + b"\0"


def _contents_key(size: int, sha256: str) -> bytes:
    return number_key(size) + digest_key(sha256.encode())

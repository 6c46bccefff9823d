"""The ``links`` table: which pictures a picture may be a duplicate of, and what they were judged to be to each other.

An entry goes with its picture. What it says of others may be of pictures that are gone or have changed: a judgement
counts while both bear the marks that they had then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

from storage.encoding.keys import number_key, number_of
from storage.encoding.records import decode_fields, encode_fields
from storage.errors import CorruptData
from storage.kv.store import ReadTransaction, WriteTransaction
from storage.tables.schema import LINKS, image_by_id, record_by_handle
from storage.types.pictures import ImageRecord

MOST_LINKS = 48  # of one picture; the farthest are let go
MOST_VERDICTS = 64  # of one picture; the oldest are let go
FAR = 1 << 30

NEAR, SEARCHED = 1, 2  # ways of looking for links; an entry says in its first byte which have been gone
_HAS_LINKS = 128  # in the same byte: so that the many pictures without any are passed over unread


@dataclass(frozen=True, slots=True)
class Link:
    """A picture that may be the same. distance: between their hashes, bits; None where it was found otherwise."""

    id: str
    distance: int | None = None
    has_its_bytes: bool = False

    @property
    def farness(self) -> tuple[bool, int, str]:
        """Orders links, the nearest first."""
        return not self.has_its_bytes, FAR if self.distance is None else self.distance, self.id


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the picture of the entry is to another one. own, other: marks of the two pictures as they were then.
    relation: None where there is none that is likely.
    """

    own: str
    other: str
    relation: str | None
    confidence: float


@dataclass(frozen=True, slots=True)
class Links:
    """An entry. ways: of looking for links, that have been gone. verdicts: by id of the other picture."""

    ways: int = 0
    links: tuple[Link, ...] = ()
    verdicts: dict[str, Verdict] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinkedPicture:
    """A stored picture with its entry."""

    handle: int
    record: ImageRecord
    links: Links


def unlinked(
    transaction: ReadTransaction, table: str, way: int, after: int, limit: int
) -> Iterator[tuple[int, ImageRecord]]:
    """Handles and rows of pictures that the table has, in order, for whose links nobody has looked this way. Those
    whose file is missing are left out.
    """
    entries = transaction.items(LINKS, number_key(after + 1))
    key, value = next(entries, (b"", b""))
    found = 0
    for at in transaction.keys(table, number_key(after + 1)):
        while key and key < at:
            key, value = next(entries, (b"", b""))
        if key == at and value[0] & way:
            continue
        record = record_by_handle(transaction, number_of(at))
        if record is not None and not record.missing:
            yield number_of(at), record
            found += 1
        if found == limit:
            return


def linked(transaction: ReadTransaction, after: int, limit: int) -> list[LinkedPicture]:
    """Pictures that have links, in the order of their handles."""
    entries = transaction.items(LINKS, number_key(after + 1))
    there = (_picture(transaction, number_of(key), value) for key, value in entries if value[0] & _HAS_LINKS)
    return list(islice((one for one in there if one is not None), limit))


def linked_by_id(transaction: ReadTransaction, ids: Iterable[str]) -> list[LinkedPicture | None]:
    """None of a picture that is not there, or whose file is missing."""
    found: list[LinkedPicture | None] = []
    for image_id in ids:
        image = image_by_id(transaction, image_id)
        value = None if image is None else transaction.get(LINKS, number_key(image.handle))
        found.append(
            None
            if image is None or image.record.missing
            else LinkedPicture(image.handle, image.record, Links() if value is None else decode_links(value))
        )
    return found


def add_links(transaction: WriteTransaction, found: Iterable[tuple[str, int, Sequence[Link]]]) -> None:
    """Beside those that there are. found: by id the way that was gone, 0 where another picture was looked for."""
    for image_id, way, links in found:
        _change(transaction, image_id, partial(_with_links, way, links))


def put_verdicts(transaction: WriteTransaction, verdicts: Mapping[str, Mapping[str, Verdict]]) -> None:
    """By id and by that of the other picture, in the place of those that there are of the two; those that were of a
    picture's earlier self go.
    """
    for image_id, own in verdicts.items():
        _change(transaction, image_id, partial(_with_verdicts, own))


def _with_links(way: int, links: Sequence[Link], entry: Links) -> Links:
    nearest = {one.id: one for one in sorted([*entry.links, *links], key=_farness, reverse=True)}
    kept = sorted(nearest.values(), key=_farness)[:MOST_LINKS]
    return replace(entry, ways=entry.ways | way, links=tuple(kept))


def _with_verdicts(verdicts: Mapping[str, Verdict], entry: Links) -> Links:
    marks = {verdict.own for verdict in verdicts.values()}
    still = [(id, one) for id, one in entry.verdicts.items() if one.own in marks and id not in verdicts]
    return replace(entry, verdicts=dict([*still, *verdicts.items()][-MOST_VERDICTS:]))


def decode_links(value: bytes) -> Links:
    """Raises `CorruptData`."""
    fields = decode_fields(value[1:])
    try:
        return Links(
            value[0] & ~_HAS_LINKS,
            tuple(Link(*one) for one in fields["links"]),
            {other: Verdict(*one) for other, one in fields["verdicts"].items()},
        )
    except (KeyError, TypeError) as failure:
        raise CorruptData(f"a picture's links do not decode: {failure!r}") from failure


def _encode(entry: Links) -> bytes:
    links = [[one.id, one.distance, one.has_its_bytes] for one in entry.links]
    verdicts = {other: [one.own, one.other, one.relation, one.confidence] for other, one in entry.verdicts.items()}
    first = entry.ways | (_HAS_LINKS if links else 0)
    return bytes([first]) + encode_fields({"links": links, "verdicts": verdicts})


def _change(transaction: WriteTransaction, image_id: str, change: Callable[[Links], Links]) -> None:
    """Nothing of a picture that is gone."""
    image = image_by_id(transaction, image_id)
    if image is None:
        return
    key = number_key(image.handle)
    value = transaction.get(LINKS, key)
    before = Links() if value is None else decode_links(value)
    after = change(before)
    if value is None or after != before:
        transaction.put(LINKS, key, _encode(after))


def _picture(transaction: ReadTransaction, handle: int, value: bytes) -> LinkedPicture | None:
    record = record_by_handle(transaction, handle)
    return None if record is None or record.missing else LinkedPicture(handle, record, decode_links(value))


def _farness(link: Link) -> tuple[bool, int, str]:
    return link.farness

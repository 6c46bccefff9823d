"""Questions for stored pictures."""

from __future__ import annotations

from dataclasses import dataclass

from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation
from storage.tables import reads
from storage.tables.schema import ORIGINALS, THUMBNAILS, image_by_id, record_by_handle
from storage.tables.sources import files_of_contents
from storage.types.filters import Filter
from storage.types.listings import Listed, Sort, SortKey
from storage.types.pictures import ImageRecord

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Records(Operation[list[ImageRecord | None]]):
    """The row of each picture; None where there is no such picture."""

    ids: tuple[str, ...]

    def run(self, shard: OpenShard) -> list[ImageRecord | None]:
        with shard.store.read() as transaction:
            return reads.records_of(transaction, self.ids, shard.moment.versions)


@dataclass(frozen=True, slots=True)
class Page(Operation[list[ImageRecord]]):
    """Up to ``limit`` rows whose ids sort after ``after``, in the order of their UTF-8 bytes."""

    after: str | None
    limit: int
    missing: bool = True  # whether pictures whose file is gone are among them

    def run(self, shard: OpenShard) -> list[ImageRecord]:
        with shard.store.read() as transaction:
            return reads.page_after(transaction, self.after, self.limit, shard.moment.versions, missing=self.missing)


@dataclass(frozen=True, slots=True)
class ListedPage(Operation[list[Listed]]):
    """Up to ``limit`` rows that the filter means, in the order of ``sort``, from behind ``after``."""

    filter: Filter | None
    sort: Sort
    after: SortKey | None
    limit: int

    def run(self, shard: OpenShard) -> list[Listed]:
        listed: list[Listed] = []
        for _ in range(ATTEMPTS):
            found = shard.columns.page(self.filter, shard.words, self.sort, self.after, self.limit)
            with shard.read() as (transaction, moment):
                records = [(record_by_handle(transaction, handle), key) for handle, key in found]
                shown = moment.versions.shown
                listed = [Listed(shown(record), key) for record, key in records if record is not None]
            if len(listed) == len(found):
                break  # else some were removed meanwhile, and others take their places
        return listed


@dataclass(frozen=True, slots=True)
class IdsOfBytes(Operation[list[str]]):
    """Ids of pictures that were made of these very bytes: of files, and of an upload that has their SHA-256 for an id.
    size: bytes. sha256: hex.
    """

    size: int
    sha256: str

    def run(self, shard: OpenShard) -> list[str]:
        with shard.store.read() as transaction:
            files = files_of_contents(transaction, [(self.size, self.sha256)])
            ids = [file.id for file in files if file.state != "removed"]
            upload = image_by_id(transaction, self.sha256)
            is_it = upload is not None and upload.record.sha256 == self.sha256
            return [*ids, self.sha256] if is_it else ids


@dataclass(frozen=True, slots=True)
class IdsOfFileName(Operation[list[str]]):
    """Ids of the pictures whose metadata has this ``file_name``, oldest first."""

    name: str

    def run(self, shard: OpenShard) -> list[str]:
        with shard.store.read() as transaction:
            return reads.ids_of_file_name(transaction, self.name)


@dataclass(frozen=True, slots=True)
class Thumbnail(Operation[bytes | None]):
    """JPEG; empty of a picture that was stored without its file, None where there is no such picture."""

    id: str

    def run(self, shard: OpenShard) -> bytes | None:
        with shard.store.read() as transaction:
            return reads.bytes_of(transaction, THUMBNAILS, self.id)


@dataclass(frozen=True, slots=True)
class Thumbnails(Operation[list[bytes | None]]):
    """As `Thumbnail`, of several pictures."""

    ids: tuple[str, ...]

    def run(self, shard: OpenShard) -> list[bytes | None]:
        with shard.store.read() as transaction:
            return [reads.bytes_of(transaction, THUMBNAILS, image_id) for image_id in self.ids]


@dataclass(frozen=True, slots=True)
class Original(Operation[bytes | None]):
    """The bytes of an upload; kept while features are pending, or for good where the shard keeps them."""

    id: str

    def run(self, shard: OpenShard) -> bytes | None:
        with shard.store.read() as transaction:
            return reads.bytes_of(transaction, ORIGINALS, self.id)

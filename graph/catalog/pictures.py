"""Adding, reading and deleting pictures."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import cmp_to_key

from graph.catalog.computing import Computing
from graph.catalog.put_image import put_image
from graph.requests.cursors import cursor_of, place_of
from graph.requests.decoding import Decoding, read_original
from graph.requests.messages import AddAnswer, AddFeaturesRequest, AddRequest, ImagePage, ListRequest
from graph.requests.shards import Shards, image_not_found
from graph.search.query_rows import asked_ports
from storage.errors import ExtractorFailed, ImageExists, ImageNotFound
from storage.operations.pictures import IdsOfFileName, ListedPage, Original, Page, Records, Thumbnail
from storage.types.listings import Listed, Sort, SortKey
from storage.types.mutations import AddFeatures, DeleteImage, MutationResult, RemoveFeatures
from storage.types.pictures import ImageRecord


class Pictures:
    """keeps_originals: of uploads, for models that come later."""

    def __init__(self, *, computing: Computing, decoding: Decoding, shards: Shards, keeps_originals: bool) -> None:
        self._computing = computing
        self._decoding = decoding
        self._shards = shards
        self._keeps_originals = keeps_originals

    async def add(self, request: AddRequest) -> AddAnswer:
        """Stores a picture with every feature that could be computed; the others are pending.

        Raises ImageExists for a taken id unless told to skip or replace, an UnreadableImage, or ShardUnavailable.
        """
        prepared = await self._decoding.prepare(request.image, self._computing.inputs, with_thumbnail=True)
        features, annotations = await self._computing.computed(prepared)
        put = put_image(
            prepared.facts,
            features,
            annotations=annotations,
            image_id=request.id if request.id is not None else prepared.facts.sha256,
            operation_id=request.operation_id or uuid.uuid4().hex,
            asked=self._computing.names,
            on_conflict=request.on_conflict,
            metadata=request.metadata,
            original=request.image,
            keeps_original=self._keeps_originals,
        )
        result = await self._shards.write(put.record.id, put)
        if result.outcome == "conflict" or result.record is None:
            raise ImageExists(
                f"an image with the id {put.record.id!r} exists already",
                "send on_conflict=replace to replace it, or another id",
            )
        return AddAnswer(result.outcome, result.record)

    async def add_features(self, request: AddFeaturesRequest) -> AddAnswer:
        """Stores these features of a picture and no other, whether it is stored already or not.

        Raises ImageExists where it has one of them or is another picture, UnknownFeature, an UnreadableImage,
        ShardUnavailable; where one cannot be computed ExtractorUnavailable and the like, and then stores nothing.
        """
        ports = asked_ports(self._computing.extractors, request.features)
        [record] = await self._shards.ask_for(request.id, Records((request.id,)))
        _refuse_stored(record, request.features)
        inputs = [port.served.image_input for port in ports]
        prepared = await self._decoding.prepare(request.image, inputs, with_thumbnail=True)
        features = await self._computing.extracted(ports, prepared)
        # What else the service keeps of pictures is absent of a new one.
        put = put_image(
            prepared.facts,
            features,
            image_id=request.id,
            operation_id=request.operation_id or uuid.uuid4().hex,
            asked=request.features,
            on_conflict="error",
            metadata=request.metadata,
            original=request.image,
            keeps_original=self._keeps_originals,
        )
        mutation = AddFeatures(put.operation_id, put.record, put.features, put.thumbnail, put.original)
        result = await self._shards.write(request.id, mutation)
        return AddAnswer(result.outcome, _stored_with(result, request))

    async def remove_features(self, image_id: str, features: Sequence[str]) -> None:
        """With the last one goes the picture. Raises ImageNotFound where it has none of them, UnknownFeature."""
        asked_ports(self._computing.extractors, features)
        result = await self._shards.write(image_id, RemoveFeatures(uuid.uuid4().hex, image_id, tuple(features)))
        if result.outcome == "absent":
            raise image_not_found(image_id)

    async def ids_of_file_name(self, name: str) -> list[str]:
        """Of the pictures whose metadata has this ``file_name``. Raises ShardUnavailable."""
        found = await self._shards.ask_all(IdsOfFileName(name))
        return sorted(image_id for ids in found for image_id in ids)

    async def get(self, image_id: str) -> ImageRecord:
        """Raises ImageNotFound."""
        [record] = await self._shards.ask_for(image_id, Records((image_id,)))
        if record is None:
            raise image_not_found(image_id)
        return record

    async def delete(self, image_id: str, *, stays_out: bool = True, operation_id: str | None = None) -> None:
        """stays_out: the file that it came from is not indexed again unless its bytes change, or somebody names it.
        operation_id: a retry with the same one is a no-op. Raises ImageNotFound.
        """
        operation = operation_id or uuid.uuid4().hex
        result = await self._shards.write(image_id, DeleteImage(operation, image_id, stays_out))
        if result.outcome == "absent":
            raise image_not_found(image_id)

    async def thumbnail(self, image_id: str) -> bytes:
        """JPEG bytes. Raises ImageNotFound, also for a picture that was stored without its file."""
        jpeg = await self._shards.ask_for(image_id, Thumbnail(image_id))
        if jpeg is None:
            raise image_not_found(image_id)
        if not jpeg:
            raise ImageNotFound(
                f"the image {image_id!r} was stored without its file",
                "import it again with the folder of its photos, or add the file",
            )
        return jpeg

    async def original(self, image_id: str) -> tuple[bytes, str]:
        """The file that the picture was indexed from, or that was uploaded and kept, and its format. Raises
        ImageNotFound where there is none to read.
        """
        record = await self.get(image_id)
        source = record.source
        if source is None:
            kept = await self._shards.ask_for(image_id, Original(image_id))
            if kept is None:
                raise ImageNotFound(
                    f"the service keeps no original file of {image_id!r}",
                    "images indexed from files have one, and uploads while something is pending or with keep_uploads",
                )
            return kept, record.format
        try:
            data = await self._decoding.off_loop(lambda: read_original(source.path, record.sha256))
        except OSError as gone:
            raise ImageNotFound(
                f"the original file of {image_id!r} cannot be read any more", "index its folder again"
            ) from gone
        return data, record.format

    async def page(self, request: ListRequest) -> ImagePage:
        """Raises InvalidField for a cursor of another listing, ShardUnavailable rather than skip a shard's images."""
        after, limit, sort = place_of(request), request.limit, request.sort
        if request.filter is None and sort == Sort():  # as the store has them
            rows = await self._shards.ask_all(Page(after and after.id, limit + 1, missing=False))
            pages = [[Listed(row, SortKey(row.id, row.id)) for row in page] for page in rows]
        else:
            pages = await self._shards.ask_all(ListedPage(request.filter, sort, after, limit + 1))

        def order(one: Listed, other: Listed) -> int:
            return -1 if sort.puts_before(one.key, other.key) else 1

        listed = sorted((one for page in pages for one in page), key=cmp_to_key(order))
        cursor = cursor_of(request, listed[limit - 1].key) if len(listed) > limit else None
        return ImagePage(tuple(one.record for one in listed[:limit]), cursor)


def _refuse_stored(record: ImageRecord | None, names: Sequence[str]) -> None:
    """Raises `ImageExists` for a picture that has one of the features, before any is computed."""
    stored = [name for name in names if record is not None and record.features.get(name) == "ok"]
    if record is not None and stored:
        raise ImageExists(
            f"the image {record.id!r} has {', '.join(stored)} already", "delete that first, or choose another id"
        )


def _stored_with(result: MutationResult, request: AddFeaturesRequest) -> ImageRecord:
    """The row, which has every feature that was asked for. Raises `ImageExists` where it is another picture's,
    `ExtractorFailed` where the shard has no place for what a model made, which has changed meanwhile.
    """
    if result.outcome == "conflict":
        _refuse_stored(result.record, request.features)
        raise ImageExists(
            f"the id {request.id!r} is that of another picture", "choose another id, or delete that picture first"
        )
    record = result.record
    lost = [name for name in request.features if record is None or record.features.get(name) != "ok"]
    if record is None or lost:
        raise ExtractorFailed(f"the model of {', '.join(lost)} has just changed", "try again in a second")
    return record

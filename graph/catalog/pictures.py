"""Adding, reading and deleting pictures."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from graph.catalog.add_features import add_features, extracted, refuse_stored, stored_with
from graph.catalog.computing import Computing
from graph.catalog.put_image import put_image
from graph.ports.contract import ExtractorPort
from graph.requests.decoding import Decoding
from graph.requests.image_ids import check_image_id
from graph.requests.messages import AddAnswer, AddFeaturesRequest, AddRequest, ImagePage
from graph.requests.original_file import read_original
from graph.requests.shards import Shards
from graph.search.query_rows import asked_ports
from storage.errors import ImageExists, ImageNotFound
from storage.operations.pictures import IdsOfFileName, Original, Page, Records, Thumbnail
from storage.types.mutations import DeleteImage, RemoveFeatures
from storage.types.pictures import ImageRecord


class Pictures:
    """keeps_originals: of uploads, for models that come later. extractor_timeout_s: for a single feature."""

    def __init__(
        self,
        *,
        extractors: Mapping[str, ExtractorPort],
        computing: Computing,
        decoding: Decoding,
        shards: Shards,
        extractor_timeout_s: float,
        keeps_originals: bool,
    ) -> None:
        self._extractors = extractors
        self._computing = computing
        self._decoding = decoding
        self._shards = shards
        self._extractor_timeout_s = extractor_timeout_s
        self._keeps_originals = keeps_originals

    async def add(self, request: AddRequest) -> AddAnswer:
        """Stores a picture with every feature that could be computed; the others are pending.

        Raises ImageExists for a taken id unless told to skip or replace, an UnreadableImage, or ShardUnavailable.
        """
        if request.id is not None:
            check_image_id(request.id)
        prepared = await self._decoding.prepare(request.image, self._computing.inputs(), with_thumbnail=True)
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
        check_image_id(request.id)
        ports = asked_ports(self._extractors, request.features)
        [record] = await self._shards.ask_for(request.id, Records((request.id,)))
        refuse_stored(record, request.features)
        inputs = {port.served.image_input for port in ports}
        prepared = await self._decoding.prepare(
            request.image, {one for one in inputs if one is not None}, with_thumbnail=True
        )
        features = await extracted(ports, prepared, timeout_s=self._extractor_timeout_s)
        mutation = add_features(request, prepared, features, keeps_original=self._keeps_originals)
        result = await self._shards.write(request.id, mutation)
        return AddAnswer(result.outcome, stored_with(result, request))

    async def remove_features(self, image_id: str, features: Sequence[str]) -> None:
        """With the last one goes the picture. Raises ImageNotFound where it has none of them, UnknownFeature."""
        asked_ports(self._extractors, features)
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

    async def delete(self, image_id: str) -> None:
        """Raises ImageNotFound."""
        result = await self._shards.write(image_id, DeleteImage(uuid.uuid4().hex, image_id))
        if result.outcome == "absent":
            raise image_not_found(image_id)

    async def thumbnail(self, image_id: str) -> bytes:
        """JPEG bytes. Raises ImageNotFound, also for a picture that was stored without its file."""
        jpeg = await self._shards.ask_for(image_id, Thumbnail(image_id))
        if jpeg is None:
            raise image_not_found(image_id)
        if not jpeg:
            raise ImageNotFound(
                f"the image {image_id!r} was stored without its file", "import it again with --photos, or add the file"
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

    async def page(self, after: str | None, limit: int) -> ImagePage:
        """Images in the byte order of their ids. Raises ShardUnavailable rather than skip a shard's images."""
        pages = await self._shards.ask_all(Page(after, limit + 1))
        rows = sorted((row for page in pages for row in page), key=lambda row: row.id.encode())
        cursor = rows[limit - 1].id if len(rows) > limit else None
        return ImagePage(tuple(rows[:limit]), cursor)


def image_not_found(image_id: str) -> ImageNotFound:
    return ImageNotFound(f"no image has the id {image_id!r}", "GET /v1/images lists the ids")

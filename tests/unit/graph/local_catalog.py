"""A whole catalogue in one process: real extractors, real shards, no Ray."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from PIL import Image

from deployments.extractor import Pixels
from deployments.pictures.images import DecodeLimits
from graph.catalog.catalog import Catalog, build_catalog
from graph.ports.contract import AnnotatorPort, ExtractorStatus, JobPort
from graph.requests.decoding import Decoding
from graph.requests.timing import Timeouts
from graph.upkeep.models import ModelKeeper
from graph.upkeep.pending import PendingFeatures
from storage.errors import LookalikeError
from storage.operations.reports import Stats
from storage.shard.operation import Operation
from storage.types.features import FeatureRows
from storage.types.mutations import Mutation, MutationResult
from storage.types.searches import ShardAnswer, ShardQuery
from tests.twins.in_process import LocalExtractorPort, LocalShardPort
from tests.unit.storage.samples import open_shard
from tests.unit.waiting import PATIENCE_S

SHARDS = 3
PATIENT = Timeouts(
    search_s=PATIENCE_S,
    extractor_s=PATIENCE_S,
    annotator_s=PATIENCE_S,
    add_s=PATIENCE_S,
    shard_s=PATIENCE_S,
    write_s=PATIENCE_S,
)

Answer = TypeVar("Answer")


class BreakableExtractor(LocalExtractorPort):
    """Raises ``failure`` while it is set."""

    failure: LookalikeError | None = None

    async def extract(self, image: Pixels, *, timeout_s: float) -> FeatureRows:
        if self.failure is not None:
            raise self.failure
        return await super().extract(image, timeout_s=timeout_s)

    async def query_views(self, image: Pixels, params: Mapping[str, Any], *, timeout_s: float) -> FeatureRows:
        if self.failure is not None:
            raise self.failure
        return await super().query_views(image, params, timeout_s=timeout_s)

    async def status(self) -> ExtractorStatus:
        if self.failure is not None:
            return ExtractorStatus(self.name, "unavailable", str(self.failure))
        return await super().status()


class BreakableShard(LocalShardPort):
    """Raises ``failure`` while it is set; a write raises it after it went through for ``lost_answers`` times."""

    failure: LookalikeError | None = None
    lost_answers = 0

    async def apply(self, mutation: Mutation, *, timeout_s: float) -> MutationResult:
        if self.failure is not None and not self.lost_answers:
            raise self.failure
        result = await super().apply(mutation, timeout_s=timeout_s)
        if self.lost_answers and self.failure is not None:
            self.lost_answers -= 1
            failure, self.failure = self.failure, None if not self.lost_answers else self.failure
            raise failure
        return result

    async def search(self, query: ShardQuery, *, timeout_s: float) -> ShardAnswer:
        if self.failure is not None:
            raise self.failure
        return await super().search(query, timeout_s=timeout_s)

    async def ask(self, operation: Operation[Answer], *, timeout_s: float) -> Answer:
        if self.failure is not None and isinstance(operation, Stats):
            raise self.failure
        return await super().ask(operation, timeout_s=timeout_s)


@dataclass
class LocalService:
    catalog: Catalog
    decoding: Decoding
    extractors: dict[str, BreakableExtractor]
    shards: list[BreakableShard]
    pending: PendingFeatures
    models: ModelKeeper


@contextmanager
def local_service(
    folder: Path,
    extractors: Mapping[str, Mapping[str, Any]] | None = None,
    annotators: Mapping[str, AnnotatorPort] | None = None,
    shard_count: int = SHARDS,
) -> Iterator[LocalService]:
    options = extractors or {"phash": {}, "color": {}}
    ports = {name: BreakableExtractor(name, of_one) for name, of_one in options.items()}
    late = [name for name, port in ports.items() if port.is_late]
    with ExitStack() as resources:
        for port in ports.values():
            resources.callback(port.close)
        shards = []
        for index in range(shard_count):
            shard = open_shard(
                folder / str(index),
                [port.served.spec for port in ports.values() if port.served.spec is not None],
                index=index,
                shard_count=shard_count,
                late=late,
                annotations=[name for name, port in (annotators or {}).items() if port.is_stored],
                keeps_originals=bool(late),
            )
            resources.callback(shard.close)
            shards.append(BreakableShard(index, shard))
        decoders = resources.enter_context(ThreadPoolExecutor(1))
        decoding = Decoding(decoders, DecodeLimits())
        catalog = build_catalog(
            extractors=ports,
            annotators=annotators,
            shards=shards,
            jobs=cast(JobPort, None),
            decoding=decoding,
            timeouts=PATIENT,
            keeps_originals=bool(late),
        )
        pending = PendingFeatures(
            extractors=ports, annotators=annotators, shards=shards, prepare=decoding.prepare, timeout_s=PATIENCE_S
        )
        models = ModelKeeper(extractors=ports, shards=shards, options=options, timeout_s=PATIENCE_S)
        yield LocalService(catalog, decoding, ports, shards, pending, models)


def photo(seed: int, size: tuple[int, int] = (160, 120)) -> bytes:
    """A smooth random picture as JPEG; another seed is another picture."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return as_jpeg(Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC))


def as_jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()

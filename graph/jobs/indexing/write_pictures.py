"""Pictures with their features into the shards, a batch in one transaction of each.

Writes carry operation ids made of the job, the picture, its contents and its time, so one that is repeated after a
fault is done once.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from graph.catalog.put_image import put_image
from graph.jobs.indexing.plan import IndexPlan, ShardWriter
from graph.jobs.indexing.read_pictures import ReadPicture
from graph.jobs.running.progress import FileOutcome
from storage.errors import LookalikeError, ShardUnavailable
from storage.shard.placement import shard_of
from storage.types.mutations import MutationResult, PutImage

WRITE_PATIENCE_S = 120.0
RETRY_PAUSE_S = 0.5


class PictureWriter:
    """sleep: between attempts at a shard that restarts."""

    def __init__(self, plan: IndexPlan, writer: ShardWriter, sleep: Callable[[float], None] = time.sleep) -> None:
        self._plan = plan
        self._writer = writer
        self._sleep = sleep

    def write(self, pictures: Sequence[ReadPicture]) -> list[FileOutcome]:
        """One a picture, in no particular order. Raises `ShardUnavailable` for a shard that stays away."""
        outcomes: list[FileOutcome] = []
        batches: dict[int, list[tuple[ReadPicture, PutImage]]] = defaultdict(list)
        for picture in pictures:
            home = shard_of(picture.image_id, self._plan.shard_count)
            batches[home].append((picture, put_of(self._plan, picture)))
        for shard, batch in batches.items():
            results = self._apply(shard, [put for _, put in batch])
            outcomes += [_written(picture, result) for (picture, _), result in zip(batch, results, strict=True)]
        return outcomes

    def _apply(self, shard: int, puts: Sequence[PutImage]) -> Sequence[MutationResult | LookalikeError]:
        """Waits for a restarting shard rather than fail good files."""
        deadline = time.monotonic() + WRITE_PATIENCE_S
        while True:
            try:
                return self._writer.apply(shard, puts)
            except ShardUnavailable:
                if time.monotonic() > deadline:
                    raise
            self._sleep(RETRY_PAUSE_S)


def put_of(plan: IndexPlan, picture: ReadPicture) -> PutImage:
    """The write of a picture as it is by now; what was not computed is pending."""
    return put_image(
        picture.facts,
        picture.features,
        image_id=picture.image_id,
        operation_id=f"{plan.job_id}/{picture.facts.sha256}/{picture.source.mtime_ns}/{picture.image_id}",
        asked=[*plan.extractors, *plan.annotators],
        annotations=picture.annotations,
        on_conflict=plan.on_conflict,
        source=picture.source,
    )


def _written(picture: ReadPicture, result: MutationResult | LookalikeError) -> FileOutcome:
    if isinstance(result, LookalikeError):
        return FileOutcome(picture.path, "failed", result.code, result.message)
    return FileOutcome(picture.path, result.outcome)

"""The backfill job: ``python -m graph.jobs.backfill JOB_ID``, started by Ray inside the cluster.

Computes what pictures wait for: features and annotations whose model was not there when they were added. Where the
configured model of a feature is not the one that its index was made with, it builds an index for it beside the one in
use, lets it take over when it is complete, and drops the old one; searches are answered all the while. It can be killed
at any moment: what is in the shards is the progress, and the next one goes on from there.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import warm_up
from graph.config.fleet_plan import stored_annotators
from graph.config.settings import TEXT_EXTRACTOR, AppSettings, is_zero_shot
from graph.jobs.filling.pending_work import PendingWork, WaitingPicture, parts_of
from graph.jobs.filling.take_over import TakeOver
from graph.jobs.indexing.spread import own_cores
from graph.jobs.indexing.worker import settle
from graph.jobs.indexing.worker_parts import Adopt, WorkerParts, load_parts
from graph.jobs.running.fleet_shards import ShardCalls
from graph.jobs.running.job import run_job
from graph.jobs.running.progress import JobProgress
from storage.errors import ExtractorUnavailable, InvalidRequest, LookalikeError
from storage.operations.models import BeginModel
from storage.operations.pending import CountPending, PendingPictures, PendingWithoutFile
from storage.operations.pictures import Original
from storage.shard.placement import shard_of
from storage.types.features import FeatureSpec
from storage.types.jobs import JobFailure, JobRecord
from storage.types.mutations import FillFeatures
from storage.types.pictures import PendingImage

logger = logging.getLogger(__name__)

PAGE = 32
GRACE_S = 10.0  # until every router asks the model that has taken over
LISTED_WITHOUT_FILE = 1000


class BackfillJob:
    """One run of the job."""

    def __init__(
        self, record: JobRecord, settings: AppSettings, shards: ShardCalls, *, grace_s: float = GRACE_S
    ) -> None:
        """Raises `ExtractorUnavailable` where the model of a feature that was named is not there."""
        warm_up()
        self._settings = settings
        self._shards = shards
        self.progress = JobProgress(shards, record)
        self._following: list[str] = []  # features whose new model is to take over
        self._failed: set[str] = set()
        parts = load_asked_parts(settings, record.arguments.get("feature"), self._make_room)
        self._work = PendingWork(parts, DecodeLimits(max_pixels=settings.limits.max_pixels), self._kept_original)
        self._take_over = TakeOver(
            shards,
            self._work.fingerprints,
            added_before=time.time(),
            allow_missing=bool(record.arguments.get("allow_missing")),
            grace_s=grace_s,
        )

    def run(self) -> None:
        self.progress.start(sum(self._shards.ask_each(CountPending(self._work.asked))))
        settle()
        self.progress.began(time.time())
        threads = self._settings.batch.threads or own_cores()
        with ThreadPoolExecutor(threads, thread_name_prefix="prepare") as pool:
            while sum(self._fill_shard(pool, shard) for shard in range(self._shards.count)):
                logger.info("once more, for what was added meanwhile")
        self._list_those_without_file()
        self.progress.write()
        self._take_over.run(self._following)

    def _make_room(self, spec: FeatureSpec, origin: Mapping[str, Any]) -> None:
        """For a model whose rows have no place in the shards yet, beside the rows of the one that is in use."""
        if "following" in self._shards.ask_each(BeginModel(spec, dict(origin))):
            self._following.append(spec.name)

    def _fill_shard(self, pool: ThreadPoolExecutor, shard: int) -> int:
        """Features and annotations filled in. One page is computed while the next one is read and decoded."""
        filled = 0
        ahead = pool.map(self._work.read, [])
        for page in self._pages(shard):
            following = pool.map(self._work.read, page)
            filled += self._fill(shard, list(ahead))
            ahead = following
        return filled + self._fill(shard, list(ahead))

    def _pages(self, shard: int) -> Iterator[list[PendingImage]]:
        """Pictures that wait for something that can be computed here."""
        start: int | None = 0
        while start is not None:
            page = self._shards.ask_patiently(shard, PendingPictures(self._work.asked, start, PAGE))
            yield [image for image in page.images if image.id not in self._failed and self._work.wanted(image)]
            start = page.next_start

    def _kept_original(self, image_id: str) -> bytes | None:
        return self._shards.ask_patiently(shard_of(image_id, self._shards.count), Original(image_id))

    def _fill(self, shard: int, pictures: Sequence[WaitingPicture]) -> int:
        self._work.compute(pictures)
        fills = [fill for one in pictures if (fill := one.fill()) is not None]
        taken = self._apply(shard, fills) if fills else []
        self._fail([one.failure for one in pictures if one.failure is not None])
        filled = sum(len(fill.features) + len(fill.annotations) for fill in taken)
        self.progress.filled(images=len({fill.id for fill in taken} - self._failed), features=filled)
        return filled

    def _apply(self, shard: int, fills: Sequence[FillFeatures]) -> list[FillFeatures]:
        """What the shard took. A fill that it refuses is that picture's failure, and what is good in it goes in."""
        taken = []
        for fill, result in zip(fills, self._shards.apply_patiently(shard, fills), strict=True):
            if not isinstance(result, LookalikeError):
                taken.append(fill)
            elif len(parts := parts_of(fill)) > 1:
                taken += self._apply(shard, parts)
            else:
                self._fail([JobFailure(fill.id, result.code, result.message)])
        return taken

    def _fail(self, failures: Sequence[JobFailure]) -> None:
        new = [failure for failure in failures if failure.path not in self._failed]
        self._failed.update(failure.path for failure in new)
        self.progress.failed(new)

    def _list_those_without_file(self) -> None:
        """Pictures that wait, but were uploaded when nobody thought of another model."""
        for found in self._shards.ask_each(PendingWithoutFile(self._work.asked, LISTED_WITHOUT_FILE)):
            why = "its file was not kept when it was uploaded: add it again"
            self._fail([JobFailure(image_id, "no_file", why) for image_id in found])


def load_asked_parts(settings: AppSettings, feature: str | None, adopt: Adopt) -> WorkerParts:
    """The models of one feature or annotator, or of all. Raises `ExtractorUnavailable` where the one is not there."""
    extractors = {name: options for name, options in settings.extractors.items() if feature in (None, name)}
    annotators = {name: settings.annotators[name] for name in stored_annotators(settings) if feature in (None, name)}
    if feature is not None and feature not in {**extractors, **annotators}:
        raise InvalidRequest(
            f"nothing of {feature!r} is kept with the pictures", f"set annotators.{feature}.store: true"
        )
    if any(map(is_zero_shot, annotators.values())):
        extractors.setdefault(TEXT_EXTRACTOR, settings.extractors[TEXT_EXTRACTOR])
    parts = load_parts(extractors, annotators, adopt)
    if feature is not None and feature in parts.missing:
        raise ExtractorUnavailable(f"{feature!r} cannot be computed: {parts.missing[feature]}")
    return parts


if __name__ == "__main__":
    sys.exit(run_job(sys.argv[1], os.environ, BackfillJob))

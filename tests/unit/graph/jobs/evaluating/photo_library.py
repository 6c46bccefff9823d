"""A collection whose pictures came from files, with a service that is asked by evaluations, all in this process."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from deployments.pictures.images import DecodeLimits
from graph.catalog.catalog import build_catalog
from graph.jobs.evaluate import EvalJob
from graph.ports.contract import JobPort
from graph.requests.decoding import Decoding
from graph.requests.messages import SearchAnswer, SearchRequest
from storage.operations.jobs import PutJob
from storage.types.jobs import JobRecord
from tests.twins.in_process import LocalExtractorPort, LocalShardPort
from tests.unit.graph.jobs.indexed_folder import IndexedFolder
from tests.unit.graph.local_catalog import PATIENT


class PhotoLibrary(IndexedFolder):
    """asked: every search so far."""

    def __init__(self, photos: Path, data: Path) -> None:
        super().__init__(photos, data)
        self.asked: list[SearchRequest] = []

    def search(self, request: SearchRequest) -> SearchAnswer:
        self.asked.append(request)
        with ThreadPoolExecutor(1) as decoders:
            catalog = build_catalog(
                extractors={"phash": LocalExtractorPort("phash", {})},
                shards=[
                    LocalShardPort(number, cast(Any, actor)._shard) for number, actor in enumerate(self.fleet.actors)
                ],
                jobs=cast(JobPort, None),
                decoding=Decoding(decoders, DecodeLimits()),
                timeouts=PATIENT,
            )
            return asyncio.run(catalog.searches.search(request))

    def evaluation(self, path: Path | None = None, *, time_s: float = 600.0, **arguments: Any) -> EvalJob:
        now = time.time()
        told = {"path": None if path is None else str(path), "n": 2, "seed": 0, "strangers": 4, "calibrate": False}
        record = JobRecord("eval-1", "eval", "queued", now, now, {**told, **arguments})
        self.fleet.ask(0, PutJob(record))
        return EvalJob(record, self.settings, self.fleet, self, time_s=time_s)

    def evaluate(self, path: Path | None = None, **arguments: Any) -> dict[str, Any]:
        """The report."""
        job = self.evaluation(path, **arguments)
        job.run()
        assert job.progress.record.done == job.progress.record.total
        return dict(job.progress.record.report)

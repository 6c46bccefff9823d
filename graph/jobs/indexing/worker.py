"""The worker of an indexing job: files in, rows in the shards out, one outcome a file.

It has extractors of its own, so that a job never takes the searching replicas' time, and it writes to the shards
itself: nothing but small outcome rows travels through the job. A file that cannot be taken is an outcome like any
other. `graph.jobs.indexing.gpu_stages` makes three stages of the same steps.
"""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from graph.jobs.indexing.pictures import PictureReader, ReadPicture, write_pictures
from graph.jobs.indexing.plan import ImageFile, IndexPlan
from graph.jobs.indexing.worker_parts import load_parts
from graph.jobs.running.fleet_shards import ShardCalls
from graph.jobs.running.progress import FileOutcome

FILES_PER_TASK = 4  # enough for the work to outweigh the hand-over between threads
BATCHES_AHEAD = 3
NICENESS = 5

Started = Future[list[ReadPicture | FileOutcome]]


class IndexWorker:
    """Indexes files batch by batch: ``threads`` threads read and prepare the next ones while one is written."""

    def __init__(self, plan: IndexPlan, shards: ShardCalls, *, threads: int = 1) -> None:
        self._plan = plan
        self._shards = shards
        self._parts = load_parts(plan.extractors, plan.annotators, shards.adopt)
        self._reader = PictureReader(plan, self._parts, shards)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="prepare")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def index(self, files: Sequence[ImageFile]) -> list[FileOutcome]:
        """One outcome a file, in no particular order."""
        return self._write(self._start(files))

    def index_each(self, batches: Iterable[Sequence[ImageFile]]) -> Iterator[list[FileOutcome]]:
        """The outcomes of each batch in turn. A caller that stops early has written what it was given, and no more."""
        started: deque[list[Started]] = deque()
        for batch in batches:
            started.append(self._start(batch))
            if len(started) > BATCHES_AHEAD:
                yield self._write(started.popleft())
        while started:
            yield self._write(started.popleft())

    def _start(self, files: Sequence[ImageFile]) -> list[Started]:
        parts = (files[first : first + FILES_PER_TASK] for first in range(0, len(files), FILES_PER_TASK))
        return [self._threads.submit(self._reader.read_each, part) for part in parts]

    def _write(self, started: Sequence[Started]) -> list[FileOutcome]:
        read = [each for part in started for each in part.result()]
        pictures = [each for each in read if isinstance(each, ReadPicture)]
        self._parts.compute(pictures)
        written = write_pictures(self._plan, self._shards, pictures)
        self._reader.release(pictures)
        return [each for each in read if isinstance(each, FileOutcome)] + written


def settle() -> None:
    """For a process of a job, when it is ready to work: searches go first, and the garbage collector need not look
    again and again at what stays.
    """
    os.nice(max(0, NICENESS - os.nice(0)))
    gc.collect()
    gc.freeze()

"""The job that imports an original installation: ``python -m graph.jobs.import_ambience JOB_ID``, started by Ray inside
the cluster.

Reads the data folders by id, writes what the collection lacks, a batch of pictures in one transaction of each shard,
and keeps the job's durable record with its report. It can be killed at any moment: what is in the shards is the
progress, and the next job goes on from there.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from graph.ambience_data.defects import Defects
from graph.ambience_data.folders import DESCRIPTORS, KEYPOINTS, ServiceFolder, open_folders
from graph.ambience_data.keypoints import check_keypoints
from graph.ambience_data.photos import Photos
from graph.ambience_data.pictures import FoundPicture, FoundPictures
from graph.ambience_data.point_ranges import PointRanges, read_point_ranges
from graph.config.fleet_plan import stored_annotators
from graph.config.settings import AppSettings
from graph.jobs.importing.destinations import Destinations, compared_models
from graph.jobs.importing.photos import PhotoReader
from graph.jobs.importing.pictures import PictureImporter
from graph.jobs.importing.plan import ImportedPicture
from graph.jobs.importing.report import ImportReport, PhotoCount
from graph.jobs.indexing.worker import settle
from graph.jobs.running.fleet_shards import ShardCalls
from graph.jobs.running.job import job_roots, run_job
from graph.jobs.running.progress import FileOutcome, JobProgress
from storage.errors import InvalidField
from storage.types.jobs import JobRecord

PICTURES_AT_ONCE = 1000  # in a transaction
PHOTOS_AT_ONCE = 32
AHEAD = 2  # batches that wait for a thread


class ImportJob:
    """One run of the job."""

    def __init__(self, record: JobRecord, settings: AppSettings, shards: ShardCalls) -> None:
        self._settings = settings
        self._shards = shards
        self._arguments = record.arguments
        self._defects = Defects()
        self._report = ImportReport(bool(record.arguments["dry_run"]), self._defects)
        self.progress = JobProgress(shards, record)

    def run(self) -> None:
        """Raises `InvalidField` where there is nothing to import, no folder of photos, or no table of keypoints."""
        paths, said = self._arguments["paths"], self._arguments["features"]
        for path in paths:
            if not os.path.exists(path):
                self._defects.add("not_found", path, "no such folder")
        folders = open_folders(paths, said, self._defects)
        try:
            if not any(folder.stores for folder in folders):
                self._note_defects()
                raise InvalidField(
                    f"no data of an original installation is in {', '.join(paths)}",
                    "name folders that hold phashes.lmdb, rgb_histograms.lmdb, features.lmdb or keypoints.lmdb",
                )
            self._import(folders)
        finally:
            for folder in folders:
                folder.close()

    def _import(self, folders: Sequence[ServiceFolder]) -> None:
        source = self._arguments["keypoint_ranges"]
        ranges = None if source is None else read_point_ranges(source, self._defects)
        pictures = FoundPictures(folders, self._defects)
        self.progress.start(pictures.count())
        self._note_defects()
        importer = self._importer(folders)
        settle()
        self.progress.began(time.time())
        for imported in self._imported(importer, pictures):
            self._report.count(imported)
            self._note_defects()
            self.progress.count([FileOutcome(picture.id, picture.outcome) for picture in imported])
        self._check_keypoints(folders, ranges)
        self.progress.write()

    def _importer(self, folders: Sequence[ServiceFolder]) -> PictureImporter:
        dry_run, photos = self._report.dry_run, self._photos()
        compared = {} if photos is None else compared_models(folders, photos.photos, self._settings)
        destinations = Destinations(self._settings, self._shards, compared, dry_run=dry_run)
        for folder in folders:
            for table in folder.tables:
                self._report.begin(table, destinations.of(table))
        return PictureImporter(
            self.progress.record.id,
            self._shards,
            destinations,
            self._defects,
            asked=[*self._settings.extractors, *stored_annotators(self._settings)],
            photos=photos,
            dry_run=dry_run,
        )

    def _photos(self) -> PhotoReader | None:
        folder = self._arguments["photos"]
        if folder is None:
            return None
        if not os.path.isdir(folder):
            raise InvalidField(f"there is no folder of photos {folder!r}", "check the path")
        self._report.photos = PhotoCount(folder)
        return PhotoReader(Photos(folder, job_roots(self._settings)), self._settings.limits.max_pixels, self._defects)

    def _imported(self, importer: PictureImporter, pictures: Iterable[FoundPicture]) -> Iterator[list[ImportedPicture]]:
        """A batch at a time, while others are read and written."""
        size = PICTURES_AT_ONCE if self._arguments["photos"] is None else PHOTOS_AT_ONCE
        threads = self._settings.batch.threads or len(os.sched_getaffinity(0))
        under_way: deque[Future[list[ImportedPicture]]] = deque()
        left = iter(pictures)
        with ThreadPoolExecutor(threads, thread_name_prefix="import") as pool:
            try:
                while batch := list(islice(left, size)):
                    under_way.append(pool.submit(importer.take, batch))
                    if len(under_way) >= threads + AHEAD:
                        yield under_way.popleft().result()
                while under_way:
                    yield under_way.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _check_keypoints(self, folders: Sequence[ServiceFolder], ranges: PointRanges | None) -> None:
        for folder in folders:
            if {KEYPOINTS, DESCRIPTORS} & folder.stores.keys():
                counts = check_keypoints(folder, ranges, self._defects)
                self._report.add_keypoints(folder.path, counts, has_ranges=ranges is not None)
        self._note_defects()

    def _note_defects(self) -> None:
        self.progress.noted(self._defects.taken())
        self.progress.say(self._report.as_json())


if __name__ == "__main__":
    sys.exit(run_job(sys.argv[1], os.environ, ImportJob))

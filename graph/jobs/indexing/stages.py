"""An indexing job in three stages, for machines where the models have a device of their own: decode, compute, write.

Plain objects over `graph.jobs.indexing.stage_columns`; they take the same steps as `graph.jobs.indexing.worker` and
leave the same rows in the shards. `graph.jobs.indexing.gpu_stages` runs them as Ray actors.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from deployments.extractor import ImageInput
from graph.jobs.indexing.pictures import PictureReader, ReadPicture, write_pictures
from graph.jobs.indexing.plan import IndexPlan, parts_of, parts_without_models
from graph.jobs.indexing.stage_columns import computed_table, files_of, forms_of, outcome_table, read_of, read_table
from graph.jobs.indexing.worker_parts import load_parts
from graph.jobs.running.fleet_shards import ShardCalls
from graph.jobs.running.progress import FileOutcome


class DecodeStage:
    """Files in, pictures out: decoded once, with the features that need no model, and the forms that models want."""

    def __init__(self, plan: IndexPlan, wants: Sequence[ImageInput], shards: ShardCalls) -> None:
        self._plan = plan
        self._wants = wants
        self._parts = load_parts(*parts_without_models(plan), shards.adopt)
        self._reader = PictureReader(plan, self._parts, shards, keep=wants)

    def __call__(self, files: pa.Table) -> pa.Table:
        read = self._reader.read_each(files_of(files))
        pictures = [each for each in read if isinstance(each, ReadPicture)]
        self._parts.compute(pictures)
        self._reader.release(pictures)
        return read_table(read, self._wants, self._plan)


class ModelStage:
    """Forms in, features and annotations out. names: the models to load, those that ``wants`` are the forms of."""

    def __init__(self, plan: IndexPlan, wants: Sequence[ImageInput], names: frozenset[str], shards: ShardCalls) -> None:
        self._wants = wants
        self._parts = load_parts(*parts_of(plan, names), shards.adopt)

    def __call__(self, read: pa.Table) -> pa.Table:
        pictures = forms_of(read, self._wants)
        self._parts.compute([one for one in pictures if one is not None])
        return computed_table(read, pictures)


class WriteStage:
    """Pictures with all their features in, outcomes out."""

    def __init__(self, plan: IndexPlan, shards: ShardCalls) -> None:
        self._plan = plan
        self._shards = shards

    def __call__(self, table: pa.Table) -> pa.Table:
        read = read_of(table)
        pictures = [each for each in read if isinstance(each, ReadPicture)]
        written = write_pictures(self._plan, self._shards, pictures)
        return outcome_table([each for each in read if isinstance(each, FileOutcome)] + written)

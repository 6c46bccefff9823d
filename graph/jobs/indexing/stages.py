"""An indexing job in three stages, for machines where the models have a device of their own: decode, compute, write.

Plain objects over `graph.jobs.indexing.stage_columns`; they take the same steps as `graph.jobs.indexing.worker` and
leave the same rows in the shards. `graph.jobs.indexing.gpu_stages` runs them as Ray actors.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from deployments.extractor import ImageInput
from graph.jobs.indexing.computed_features import add_computed
from graph.jobs.indexing.model_parts import parts_with_models, parts_without_models
from graph.jobs.indexing.plan import IndexPlan, ShardWriter
from graph.jobs.indexing.read_pictures import PictureReader, ReadPicture
from graph.jobs.indexing.stage_columns import computed_table, files_of, forms_of, outcome_table, read_of, read_table
from graph.jobs.indexing.worker_parts import Adopts, load_parts
from graph.jobs.indexing.write_pictures import PictureWriter
from graph.jobs.running.progress import FileOutcome


class DecodeStage:
    """Files in, pictures out: decoded once, with the features that need no model, and the forms that models want."""

    def __init__(self, plan: IndexPlan, wants: Sequence[ImageInput], writer: ShardWriter) -> None:
        self._plan = plan
        self._wants = wants
        self._parts = load_parts(*parts_without_models(plan), writer)
        self._reader = PictureReader(plan, self._parts, writer, keep=wants)

    def __call__(self, files: pa.Table) -> pa.Table:
        read = self._reader.read_each(files_of(files))
        pictures = [each for each in read if isinstance(each, ReadPicture)]
        add_computed(self._parts, pictures)
        self._reader.release(pictures)
        return read_table(read, self._wants, self._plan)


class ModelStage:
    """Forms in, features and annotations out. names: the models to load, those that ``wants`` are the forms of."""

    def __init__(self, plan: IndexPlan, wants: Sequence[ImageInput], names: frozenset[str], shards: Adopts) -> None:
        self._wants = wants
        self._parts = load_parts(*parts_with_models(plan, names), shards)

    def __call__(self, read: pa.Table) -> pa.Table:
        pictures = forms_of(read, self._wants)
        add_computed(self._parts, [one for one in pictures if one is not None])
        return computed_table(read, pictures)


class WriteStage:
    """Pictures with all their features in, outcomes out."""

    def __init__(self, plan: IndexPlan, writer: ShardWriter) -> None:
        self._writer = PictureWriter(plan, writer)

    def __call__(self, table: pa.Table) -> pa.Table:
        read = read_of(table)
        written = self._writer.write([each for each in read if isinstance(each, ReadPicture)])
        return outcome_table([each for each in read if isinstance(each, FileOutcome)] + written)

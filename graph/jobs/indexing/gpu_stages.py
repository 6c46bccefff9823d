"""The three stages of an indexing job as Ray actors: CPUs decode what GPUs compute and CPUs write, all at once.

Ray Data streams blocks of files through them. Its guards against blocks that outgrow the memory are on, unlike in
`graph.jobs.indexing.spread`: rows hold pixels here, and decoding may well be faster than the models. They count bytes,
so that blocks are cut to hold few enough of them for several to be on their way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from deployments.extractor import ImageInput
from graph.jobs.indexing.gpu_share import LoadableModels, most_workers
from graph.jobs.indexing.plan import ImageFile, IndexPlan
from graph.jobs.indexing.spread import BATCH_FILES, cluster_cpus, worker_size
from graph.jobs.indexing.stage_columns import file_table, form_bytes, outcomes_of
from graph.jobs.indexing.stages import DecodeStage, ModelStage, WriteStage
from graph.jobs.indexing.worker import settle
from graph.jobs.running.fleet_shards import FleetShards
from graph.jobs.running.progress import FileOutcome
from storage.cluster.plan import FleetPlan

BATCHES_OF_A_CORE = 2  # at least, where there are files enough: a small job, too, uses all cores and begins to compute
FEWEST_FILES = 8
BLOCK_BYTES = 32 << 20  # of forms
ROOM_BYTES = 16 << 20  # in a block, for thumbnails and features
BLOCKS_IN_FLIGHT = 2  # a worker's: one to work on, one at hand
NO_PROGRESS_S = 600  # of any stage: more than a batch of captions takes
MOST_WRITERS = 2  # one waits for the shards while the other one packs


class DecodeWorker(DecodeStage):
    """`DecodeStage` in a process of its own."""

    def __init__(self, plan: IndexPlan, shards: FleetPlan, wants: Sequence[ImageInput]) -> None:
        super().__init__(plan, wants, FleetShards(shards))
        settle()


class ModelWorker(ModelStage):
    """`ModelStage` likewise."""

    def __init__(self, plan: IndexPlan, shards: FleetPlan, models: LoadableModels) -> None:
        super().__init__(plan, models.wants, models.names, FleetShards(shards))
        settle()


class WriteWorker(WriteStage):
    """`WriteStage` likewise."""

    def __init__(self, plan: IndexPlan, shards: FleetPlan) -> None:
        super().__init__(plan, FleetShards(shards))
        settle()


def index_in_stages(
    files: Sequence[ImageFile], plan: IndexPlan, shards: FleetPlan, models: LoadableModels, gpus: float
) -> Iterator[list[FileOutcome]]:
    """The outcomes of a block of files at a time. gpus: the share of one that each worker of the models takes."""
    import ray.data  # slow to import

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_no_progress_timeout_s = NO_PROGRESS_S  # the GPU may be gone again since there was one
    context.target_max_block_size = BLOCK_BYTES + ROOM_BYTES
    size = files_a_block(len(files), cluster_cpus(), models.wants)
    blocks = [file_table(files[first : first + size]) for first in range(0, len(files), size)]
    decoders, cpus = worker_size(cluster_cpus(), ray.available_resources().get("CPU", 0.5), len(files), size)
    told = {"plan": plan, "shards": shards}
    stages = _mapped(ray.data.from_arrow(blocks), DecodeWorker, told | {"wants": models.wants}, decoders, num_cpus=cpus)
    if models.names:
        # At least one, so that the job begins; Ray Data starts the others where and when their GPUs are free.
        most = min(most_workers(gpus), len(blocks))
        pool = ray.data.ActorPoolStrategy(min_size=1, max_size=most, max_tasks_in_flight_per_actor=BLOCKS_IN_FLIGHT)
        stages = _mapped(stages, ModelWorker, told | {"models": models}, pool, size, num_cpus=0, num_gpus=gpus)
    stages = _mapped(stages, WriteWorker, told, min(MOST_WRITERS, len(blocks)), num_cpus=0)
    for table in stages.iter_batches(batch_size=None, batch_format="pyarrow"):
        yield outcomes_of(table)


def files_a_block(files: int, cores: float, wants: Sequence[ImageInput]) -> int:
    """`BATCH_FILES`, unless their forms take too much memory, or there are too few for all cores."""
    fit = BLOCK_BYTES // max(1, form_bytes(wants))
    share = -(-files // max(1, int(BATCHES_OF_A_CORE * cores)))
    return max(1, min(BATCH_FILES, fit, max(FEWEST_FILES, share)))


def _mapped(
    dataset: Any, stage: type, told: dict[str, Any], workers: Any, rows: int | None = None, **resources: float
) -> Any:
    """workers: how many, or a pool. rows: to a call, a block's unless said, which Ray Data insists on for GPUs."""
    from ray.data import ActorPoolStrategy

    if isinstance(workers, int):
        workers = ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=BLOCKS_IN_FLIGHT)
    return dataset.map_batches(
        stage,
        fn_constructor_kwargs=told,
        batch_size=rows,
        batch_format="pyarrow",
        zero_copy_batch=True,
        compute=workers,
        **resources,
    )

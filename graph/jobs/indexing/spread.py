"""An indexing job's files spread over the cluster: Ray Data maps `IndexWorker`s over batches of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import ray

from graph.jobs.indexing.plan import ImageFile, IndexPlan, model_names
from graph.jobs.indexing.worker import IndexWorker, settle
from graph.jobs.running.fleet_shards import FleetShards
from graph.jobs.running.progress import FileOutcome
from storage.cluster.plan import FleetPlan
from storage.types.pictures import SourceFile

BATCH_FILES = 64
BATCHES_IN_FLIGHT = 4  # a worker's; at fewer it waits for the next one to arrive
WORKER_START_TIMEOUT_S = 300
COLUMNS = ("path", "outcome", "code", "reason")


class IndexFiles:
    """What Ray Data maps over batches of files: the worker, in columns."""

    def __init__(self, plan: IndexPlan, shards: FleetPlan) -> None:
        self._worker = IndexWorker(plan, FleetShards(shards))
        settle()

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        files = [
            (str(image_id) if known else None, SourceFile(str(path), int(size), int(mtime_ns)))
            for image_id, known, path, size, mtime_ns in zip(
                batch["id"], batch["has_id"], batch["path"], batch["size"], batch["mtime_ns"], strict=True
            )
        ]
        outcomes = self._worker.index(files)
        return {name: [getattr(outcome, name) for outcome in outcomes] for name in COLUMNS}


def index_on_the_cluster(files: Sequence[ImageFile], plan: IndexPlan, shards: FleetPlan) -> Iterator[list[FileOutcome]]:
    """The outcomes of a batch of files at a time, as workers finish them."""
    import ray.data  # slow to import: only for work that is worth it

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.wait_for_min_actors_s = WORKER_START_TIMEOUT_S
    # Ray Data's guards against blocks that outgrow the memory, seen to leave all but one worker idle. Rows of ours
    # are paths and outcomes.
    context.set_config("backpressure_policies.enabled", [])
    free = ray.available_resources().get("CPU", 0.5)
    places = cluster_nodes() if model_names(plan) else cluster_cpus()
    workers, cpus = worker_size(places, free, len(files))
    blocks = max(workers, -(-len(files) // BATCH_FILES))
    dataset = ray.data.from_items([_row(*file) for file in files], override_num_blocks=blocks)
    outcomes = dataset.map_batches(
        IndexFiles,
        fn_constructor_kwargs={"plan": plan, "shards": shards},
        batch_size=None,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=BATCHES_IN_FLIGHT),
        num_cpus=cpus,
    )
    for batch in outcomes.iter_batches(batch_size=None, batch_format="numpy"):
        columns = (batch[name] for name in COLUMNS)
        yield [FileOutcome(*map(str, row)) for row in zip(*columns, strict=True)]


def worker_size(places: float, free_cpus: float, files: int, batch_files: int = BATCH_FILES) -> tuple[int, float]:
    """(workers, CPUs each): as many as there are places, or the files fill, on the CPUs that are free now.

    places: the cluster's cores; its nodes where workers load neural models, which use all cores of a node, and of which
    one worker a core would load as many copies.
    """
    workers = max(1, min(int(places), -(-files // batch_files)))
    return workers, max(0.05, min(1.0, 0.9 * free_cpus / workers))


def cluster_nodes() -> int:
    """Those that can compute."""
    return sum(node["Alive"] and node["Resources"].get("CPU", 0.0) > 0 for node in ray.nodes())


def cluster_cpus() -> float:
    return float(ray.cluster_resources().get("CPU", 1.0))


def own_cores() -> int:
    """The cores that Ray may use on this node, or that this process may, whichever are fewer."""
    here = ray.get_runtime_context().get_node_id()
    of_node = [node["Resources"].get("CPU", 1.0) for node in ray.nodes() if node["NodeID"] == here]
    return max(1, int(min(len(os.sched_getaffinity(0)), *of_node)))


def _row(image_id: str | None, source: SourceFile) -> dict[str, Any]:
    return {
        "id": image_id or "",
        "has_id": image_id is not None,
        "path": source.path,
        "size": source.size,
        "mtime_ns": source.mtime_ns,
    }

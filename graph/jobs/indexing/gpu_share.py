"""The share of a GPU that each worker of a job's models takes (`batch.gpus`): whether there is one, and what the models
say once they are on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError

from deployments.extractor import ImageInput
from graph.jobs.indexing.plan import IndexPlan, model_names, parts_of
from graph.jobs.indexing.spread import WORKER_START_TIMEOUT_S
from graph.jobs.indexing.worker_parts import load_parts
from graph.jobs.running.fleet_shards import FleetShards
from storage.cluster.plan import FleetPlan
from storage.errors import Unavailable


@dataclass(frozen=True, slots=True)
class LoadableModels:
    """names: of extractors and annotators that can work. wants: the forms of a picture that they look at."""

    names: frozenset[str]
    wants: tuple[ImageInput, ...]


class ModelScout:
    """An actor of the models' stage before its time: only a loaded model knows which form of a picture it wants."""

    def ready(self) -> None:
        """Answers once there is a GPU for it."""

    def look(self, plan: IndexPlan, shards: FleetPlan) -> LoadableModels:
        names = model_names(plan)
        parts = load_parts(*parts_of(plan, names), FleetShards(shards).adopt)
        return LoadableModels(names - {*parts.missing}, tuple(sorted(parts.inputs, key=repr)))


def loadable_models(plan: IndexPlan, shards: FleetPlan, gpus: float) -> LoadableModels:
    """Raises `Unavailable` where no GPU is free in `WORKER_START_TIMEOUT_S`, or none can ever be."""
    require_gpus(gpus)
    scout: Any = ray.remote(num_cpus=0, num_gpus=gpus)(ModelScout).remote()
    try:
        ray.get(scout.ready.remote(), timeout=WORKER_START_TIMEOUT_S)
        found: LoadableModels = ray.get(scout.look.remote(plan, shards))
        return found
    except GetTimeoutError as waited:
        free, total = (resources.get("GPU", 0.0) for resources in (ray.available_resources(), ray.cluster_resources()))
        raise Unavailable(
            f"no worker of the job's models found a GPU in {WORKER_START_TIMEOUT_S} s: each takes {gpus:g}, and "
            f"{free:g} of the cluster's {total:g} are free",
            "deployments and other jobs hold the rest: lower their num_gpus or batch.gpus, or set batch.gpus to 0",
        ) from waited
    finally:
        ray.kill(scout)


def require_gpus(gpus: float) -> None:
    """Raises `Unavailable` where no node of the cluster has as many, free or not."""
    most = max(_gpus_of_nodes(), default=0.0)
    if most < gpus:
        raise Unavailable(
            f"each worker of the job's models takes {gpus:g} GPU (batch.gpus), and no machine of the cluster has more "
            f"than {most:g}",
            "add a machine with a GPU to the cluster, or set batch.gpus to 0",
        )


def most_workers(gpus: float) -> int:
    """How many such shares the GPUs of the cluster have, at least one."""
    return max(1, sum(int(there / gpus + 1e-6) for there in _gpus_of_nodes()))


def _gpus_of_nodes() -> list[float]:
    return [float(node["Resources"].get("GPU", 0.0)) for node in ray.nodes() if node["Alive"]]

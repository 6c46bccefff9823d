"""What an indexing job is told, file by file, and which of its extractors and annotators have a model that is worth a
GPU.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from deployments.annotators.registry import annotator_class
from deployments.extractor import NeedsWeights
from deployments.extractors.registry import extractor_class
from graph.config.settings import is_zero_shot
from graph.jobs.indexing.worker_parts import Options
from storage.types.mutations import OnConflict
from storage.types.pictures import SourceFile

ImageFile = tuple[str | None, SourceFile]  # the id, or None for the SHA-256 of the contents; the file


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """What a worker is told. annotators: those whose words are kept with the pictures."""

    job_id: str
    shard_count: int
    extractors: Options
    max_pixels: int
    on_conflict: OnConflict
    annotators: Options = field(default_factory=dict)


def parts_without_models(plan: IndexPlan) -> tuple[Options, Options]:
    """Extractors and annotators that any CPU computes."""
    return parts_of(plan, {*plan.extractors, *plan.annotators} - model_names(plan))


def parts_of(plan: IndexPlan, names: Collection[str]) -> tuple[Options, Options]:
    """Extractors and annotators of these names."""
    return (
        {name: options for name, options in plan.extractors.items() if name in names},
        {name: options for name, options in plan.annotators.items() if name in names},
    )


def model_names(plan: IndexPlan) -> frozenset[str]:
    """Those that load weights for a GPU, and tags by labels, which go by the vectors of one that does."""
    extractors = {name for name in plan.extractors if _can_use_gpus(extractor_class(name))}
    annotators = {
        name
        for name, options in plan.annotators.items()
        if is_zero_shot(options) or _can_use_gpus(annotator_class(name))
    }
    return frozenset(extractors | annotators)


def _can_use_gpus(part: Any) -> bool:
    return issubclass(part, NeedsWeights) and not getattr(part, "cpu_only", False)

"""Which extractors and annotators of an indexing job have a model that is worth a GPU."""

from __future__ import annotations

from typing import Any

from deployments.annotators.registry import annotator_class
from deployments.extractor import NeedsWeights
from deployments.extractors.registry import extractor_class
from graph.config.zero_shot_options import is_zero_shot
from graph.jobs.indexing.plan import IndexPlan
from graph.jobs.indexing.worker_parts import Options


def parts_without_models(plan: IndexPlan) -> tuple[Options, Options]:
    """Extractors and annotators that any CPU computes."""
    models = model_names(plan)
    return (
        {name: options for name, options in plan.extractors.items() if name not in models},
        {name: options for name, options in plan.annotators.items() if name not in models},
    )


def parts_with_models(plan: IndexPlan, names: frozenset[str]) -> tuple[Options, Options]:
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

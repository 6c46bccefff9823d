"""Which parts of an indexing job go to the stage of the GPUs."""

from __future__ import annotations

from graph.jobs.indexing.plan import IndexPlan, model_names, parts_without_models

EXTRACTORS = {"phash": {}, "text": {}, "global": {"model": "a/b"}, "image_text": {"model": "c/d"}}
ANNOTATORS = {"tags": {"labels": "default"}, "caption": {"model": "e/f"}}


def test_networks_go_there_and_what_runs_on_cpus_stays() -> None:
    plan = IndexPlan("job-1", 1, EXTRACTORS, 10**8, "skip", ANNOTATORS)
    assert model_names(plan) == {"global", "image_text", "tags", "caption"}
    extractors, annotators = parts_without_models(plan)
    assert (set(extractors), set(annotators)) == ({"phash", "text"}, set())

"""When an indexing job asks the rest of the cluster for help."""

from __future__ import annotations

import subprocess
import sys

import pytest

from graph.jobs.index import RATE_KNOWN_AFTER_S, seconds_left
from graph.jobs.indexing.spread import BATCH_FILES, worker_size


def test_the_rest_is_judged_by_the_rate_so_far() -> None:
    assert seconds_left(took_s=10.0, done=100, left=900) == pytest.approx(90.0)
    assert seconds_left(took_s=10.0, done=100, left=0) == 0.0


def test_a_rate_of_the_first_moments_is_no_rate() -> None:
    assert seconds_left(took_s=RATE_KNOWN_AFTER_S / 2, done=1, left=10**6) == 0.0


@pytest.mark.parametrize(
    ("places", "free", "files", "workers", "cpus"),
    [
        (8.0, 8.0, 10_000, 8, 0.9),  # one a core
        (8.0, 4.0, 10_000, 8, 0.45),  # on the CPUs that others left
        (8.0, 8.0, BATCH_FILES + 1, 2, 1.0),  # no more than there are batches
        (0.5, 0.0, 1, 1, 0.05),  # never none
        (2, 8.0, 10_000, 2, 1.0),  # one a node where there are models
    ],
)
def test_workers_are_as_many_as_places_or_batches_on_the_cpus_that_are_free(
    places: float, free: float, files: int, workers: int, cpus: float
) -> None:
    found_workers, found_cpus = worker_size(places, free, files)
    assert found_workers == workers
    assert found_cpus == pytest.approx(cpus)


@pytest.mark.slow
def test_a_job_does_not_wait_for_packages_that_it_has_no_use_for() -> None:
    probe = (
        "import sys, graph.jobs.index; print({'httpx', 'fastapi', 'torch', 'pandas', 'ray.data'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

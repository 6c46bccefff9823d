"""A job's environment: the settings of the service that started it in one variable, without the API keys, and how its
libraries use threads.
"""

from __future__ import annotations

from collections.abc import Mapping

from graph.config.settings import AppSettings

SETTINGS_VARIABLE = "LOOKALIKE_JOB_SETTINGS"
# Which cluster the job belongs to: Ray itself tells it the one that was started last on the machine.
CLUSTER_VARIABLE = "LOOKALIKE_JOB_CLUSTER"
# A job's threads work on pictures of their own: threads of the libraries beneath would wait for each other on the same
# cores.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def job_environment(settings: AppSettings, cluster: str) -> dict[str, str]:
    """The environment of a job. It can be read in Ray's dashboard, so it has no secrets. cluster: its address."""
    own = {SETTINGS_VARIABLE: settings.model_dump_json(exclude={"api_keys"}), CLUSTER_VARIABLE: cluster}
    return {**own, **ONE_THREAD}


def settings_from(environment: Mapping[str, str]) -> AppSettings:
    """The other end of `job_environment`."""
    return AppSettings.model_validate_json(environment[SETTINGS_VARIABLE])

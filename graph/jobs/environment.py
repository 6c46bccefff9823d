"""How a job learns the settings of the service that started it: through one environment variable, without the API
keys.
"""

from __future__ import annotations

from collections.abc import Mapping

from graph.settings import AppSettings

SETTINGS_VARIABLE = "LOOKALIKE_JOB_SETTINGS"


def job_environment(settings: AppSettings) -> dict[str, str]:
    """The environment of a job. It can be read in Ray's dashboard, so it has no secrets."""
    return {SETTINGS_VARIABLE: settings.model_dump_json(exclude={"api_keys"})}


def settings_from(environment: Mapping[str, str]) -> AppSettings:
    """The other end of `job_environment`."""
    return AppSettings.model_validate_json(environment[SETTINGS_VARIABLE])

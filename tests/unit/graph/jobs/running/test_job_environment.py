"""What a job is told: no key, and the folders that it may read."""

from __future__ import annotations

from pathlib import Path

from graph.config.settings import AppSettings, app_settings
from graph.jobs.running.job import SETTINGS_VARIABLE, job_environment, job_roots


def told(**args: object) -> AppSettings:
    environment = job_environment(app_settings(args, {}), "cluster", "lookalike")
    assert "sha256" not in str(environment)
    return AppSettings.model_validate_json(environment[SETTINGS_VARIABLE])


def test_a_job_reads_below_the_allowed_roots_where_there_are_keys_and_anywhere_else() -> None:
    assert list(job_roots(told(api_keys=["a-secret-key"], allowed_roots=["/photos"]))) == [Path("/photos")]
    assert list(job_roots(told(api_keys_file="/keys.yaml", allowed_roots=["/photos"]))) == [Path("/photos")]
    assert list(job_roots(told(allowed_roots=["/photos"]))) == [Path("/")]
    assert list(job_roots(told())) == [Path("/")]

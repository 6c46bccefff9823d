"""Variations of ``configs/test.yaml`` for tests that need a service of their own."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.running_service import ROOT


def write_config(
    path: Path,
    *,
    args: Mapping[str, Any] | None = None,
    deployments: Mapping[str, Mapping[str, Any]] | None = None,
    http_options: Mapping[str, Any] | None = None,
) -> Path:
    """The test configuration with changes merged in: into its ``args``, its deployments by name, its HTTP options."""
    document = yaml.safe_load((ROOT / "configs" / "test.yaml").read_text("utf-8"))
    [application] = document["applications"]
    application["args"] = merged(application["args"], args or {})
    document["http_options"] = merged(document["http_options"], http_options or {})
    for deployment in application["deployments"]:
        changes = (deployments or {}).get(deployment["name"], {})
        if "autoscaling_config" in changes:
            del deployment["num_replicas"]
        deployment.update(changes)
    path.write_text(yaml.safe_dump(document), "utf-8")
    return path


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Block by block; whatever else is given replaces what was there."""
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        inner = result.get(key)
        result[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return result

"""Where the configuration files that come with the package are."""

from __future__ import annotations

from pathlib import Path


def default_config() -> Path:
    """``configs/local.yaml``: of the folder one is in, so that a clone's own is used, else the one that was
    installed.
    """
    here = Path("configs/local.yaml")
    return here if here.is_file() else Path(__file__).resolve().parents[2] / "configs" / "local.yaml"

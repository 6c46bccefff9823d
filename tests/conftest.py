"""Fixtures for every test: where the real photos are, and that unit tests never start Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of real photos beside the project; tests that need it are skipped where it is absent."""
    if not (SHARED / "photos").is_dir():
        pytest.skip("no ../shared with the real photos")
    return SHARED

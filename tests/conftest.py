"""For every test: where the real photos are, and which tests run only when they are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the tests that are marked soak, and no others")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that are marked soak, or all others."""
    wanted = bool(config.getoption("--soak"))
    left_out = [item for item in items if (item.get_closest_marker("soak") is not None) != wanted]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if (item.get_closest_marker("soak") is not None) == wanted]


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of real photos beside the project; tests that need it are skipped where it is absent."""
    if not (SHARED / "photos").is_dir():
        pytest.skip("no ../shared with the real photos")
    return SHARED

"""The documentation says what there is: every command, route and setting, and no command that does not exist."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, NoReturn

import pytest
import typer.main
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from deployments.annotators.registry import annotator_configs
from deployments.extractors.registry import extractor_configs
from graph.cli.main import app
from graph.config.settings import API_KEYS_VARIABLE, AppSettings, Limits, SnapshotSettings
from graph.http.app import create_http_app
from lookalike_client import Client

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
GROUP: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = GROUP.commands
README_LINES = 150


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def shell_lines(name: str) -> list[str]:
    """The lines of a page's ``sh`` blocks, without their comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text(name), flags=re.MULTILINE | re.DOTALL)
    return [line.partition("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def table_rows(name: str) -> dict[str, list[str]]:
    """The cells of every table row, by its first cell when that is a single ``code`` word."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text(name).splitlines() if line[:1] == "|"
    ]
    return {match[1]: cells[1:] for cells in rows if (match := re.fullmatch(r"`([\w ]+)`", cells[0]))}


def options_of(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name.startswith("--")} - {"--help"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented_with_its_options(command: str) -> None:
    page = text("docs/cli.md")
    assert re.search(rf"^\| `{command}\b", page, flags=re.MULTILINE), f"docs/cli.md has no row for {command}"
    assert not {option for option in options_of(COMMANDS[command]) if option not in page}


def no_catalog() -> NoReturn:
    raise AssertionError("the documentation needs no catalogue")


def test_every_route_is_documented() -> None:
    openapi = create_http_app(no_catalog, AppSettings()).openapi()
    routes = {f"{method.upper()} {path}" for path, methods in openapi["paths"].items() for method in methods}
    assert routes
    page = text("docs/http.md").replace("{id:path}", "{id}")
    assert not {route for route in routes if f"`{route}`" not in page}


def test_every_method_of_the_client_is_documented() -> None:
    page = text("docs/client.md")
    assert not [name for name in dir(Client) if not name.startswith("_") and f"`{name}`" not in page]


@pytest.mark.parametrize("model", [AppSettings, Limits, SnapshotSettings])
def test_every_setting_is_documented_with_its_default(model: type[BaseModel]) -> None:
    rows = table_rows("docs/configuration.md")
    for name, field in model.model_fields.items():
        assert name in rows, f"docs/configuration.md has no row for {name}"
        default = field.get_default(call_default_factory=True)
        if default is PydanticUndefined or isinstance(default, BaseModel):
            continue
        assert rows[name][0] == as_written(default), f"{name}: another default is documented"


def as_written(default: object) -> str:
    if isinstance(default, Path | str):
        return str(default)
    return json.dumps(list(default) if isinstance(default, tuple) else default)


@pytest.mark.parametrize("name", sorted(name for name in extractor_configs() if not name.startswith("fake")))
def test_every_extractor_is_documented_with_its_options(name: str) -> None:
    assert f"| `{name}` |" in text("README.md")
    section = text("docs/configuration.md").partition("## Extractors")[2].partition("\n## ")[0]
    assert f"`{name}`" in section
    assert not {option for option in extractor_configs()[name].model_fields if f"`{option}`" not in section}


@pytest.mark.parametrize("name", annotator_configs())
def test_every_annotator_is_documented_with_its_options(name: str) -> None:
    sections = text("docs/configuration.md").partition("### Models")[2].partition("\n## Deployments")[0]
    assert f"`{name}`" in sections
    assert not {option for option in annotator_configs()[name].model_fields if f"`{option}`" not in sections}


def test_the_environment_variables_are_documented() -> None:
    assert API_KEYS_VARIABLE in text("docs/configuration.md")
    assert "LOOKALIKE_SERVER" in text("docs/cli.md")
    assert "LOOKALIKE_API_KEY`" in text("docs/cli.md")


def test_every_configuration_file_is_documented() -> None:
    page = text("docs/configuration.md")
    assert not [path.name for path in (ROOT / "configs").glob("*.yaml") if f"`configs/{path.name}`" not in page]


def test_every_benchmark_is_documented_and_run_by_make_bench() -> None:
    runnable = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text("utf-8")} - {
        "load"
    }
    page, makefile = text("docs/operations.md"), text("Makefile")
    listed = re.findall(r"^BENCHMARKS := (.*)$", makefile, flags=re.MULTILINE)[0].split()
    assert set(listed) == runnable
    assert not {name for name in runnable if f"benchmarks.{name}`" not in page}


def test_the_readme_is_short() -> None:
    assert len(text("README.md").splitlines()) <= README_LINES


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in sorted(DOCS.glob("*.md")))])
def test_every_command_that_a_page_shows_exists(page: str) -> None:
    targets = re.findall(r"^([a-z-]+):", text("Makefile"), flags=re.MULTILINE)
    for line in shell_lines(page):
        program, *arguments = line.split()
        if program == "make":
            assert arguments[0] in targets, line
        elif program.endswith("lookalike"):
            assert arguments[0] in COMMANDS, line
            command = COMMANDS[arguments[0]]
            command = getattr(command, "commands", {}).get(arguments[1] if arguments[1:] else "", command)
            known = options_of(command)
            assert not {word for word in arguments if word.startswith("--")} - known, line
        elif program == "pip":
            assert arguments[0] == "install", line
            assert (ROOT / arguments[1] / "pyproject.toml").is_file(), line
        else:
            assert program in ("curl", "nft"), line


@pytest.mark.parametrize(
    "page", ["README.md", "DECISIONS.md", *(f"docs/{path.name}" for path in sorted(DOCS.glob("*.md")))]
)
def test_every_link_within_the_project_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)", text(page))
    local = [link for link in links if "://" not in link]
    assert not [link for link in local if not ((ROOT / page).parent / link).exists()]


def test_the_changelog_has_a_place_for_the_version_that_is_being_built() -> None:
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    assert re.search(rf"^## \[(Unreleased|{re.escape(version)})\]", text("CHANGELOG.md"), flags=re.MULTILINE)

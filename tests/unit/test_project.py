"""What a fresh clone installs: every dependency pinned, exactly one faiss, files that the package must carry."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("lookalike_client", "storage", "deployments", "graph")
FAISS = {"faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs"}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


@pytest.fixture(scope="module")
def pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    named = [line.partition("==") for line in lines if line and not line.startswith("#")]
    assert all(separator for _, separator, _ in named), "constraints.txt holds exact versions only"
    assert len({canonicalize_name(name) for name, _, _ in named}) == len(named), "a package is pinned twice"
    return {canonicalize_name(name): Version(version) for name, _, version in named}


def requirements(project: dict[str, Any]) -> list[Requirement]:
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    return [Requirement(line) for line in [*project["dependencies"], *extras]]


def test_every_dependency_is_pinned_at_a_version_it_allows(project: dict[str, Any], pins: dict[str, Version]) -> None:
    for requirement in requirements(project):
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} has no pin in constraints.txt"
        assert requirement.specifier.contains(pins[name], prereleases=True), f"{name}: {pins[name]} is not allowed"


def test_the_client_has_the_version_of_the_project_and_asks_for_less(project: dict[str, Any]) -> None:
    client = tomllib.loads((ROOT / "lookalike_client/pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert client["version"] == project["version"]
    assert client["requires-python"] == project["requires-python"]
    assert set(client["dependencies"]) < set(project["dependencies"])


def test_every_package_that_the_code_imports_is_a_dependency(project: dict[str, Any]) -> None:
    declared = {canonicalize_name(requirement.name) for requirement in requirements(project)}
    declared.add(canonicalize_name("pillow-simd"))  # make setup SIMD=1 puts it in Pillow's place
    files = [path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")]
    imported = {
        name for path in files for name in re.findall(r"^\s*(?:import|from) (\w+)", path.read_text(), re.MULTILINE)
    }
    distributions = packages_distributions()
    outside = imported - set(LAYERS) - sys.stdlib_module_names
    undeclared = {name for name in outside if not declared & set(map(canonicalize_name, distributions.get(name, [])))}
    assert not undeclared & set(distributions), "imported, but no dependency of the project"


def test_no_set_of_extras_that_make_installs_brings_two_faiss(project: dict[str, Any]) -> None:
    extras = {
        name: {canonicalize_name(Requirement(line).name) for line in lines}
        for name, lines in project["optional-dependencies"].items()
    }
    assert not {canonicalize_name(Requirement(line).name) for line in project["dependencies"]} & FAISS
    assert {name for name, packages in extras.items() if packages & FAISS} == {"cpu", "gpu"}
    assert len(extras["cpu"] & FAISS) == len(extras["gpu"] & FAISS) == 1


def test_the_extras_and_the_command_are_those_promised(project: dict[str, Any]) -> None:
    assert {"cpu", "gpu", "ocr", "learned-descriptors", "dev"} <= set(project["optional-dependencies"])
    assert project["name"] == "lookalike"
    assert project["scripts"] == {"lookalike": "graph.cli.main:main"}


def test_make_help_lists_every_target_that_users_are_told_of() -> None:
    described = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {"help", "setup", "demo", "serve", "test", "check", "bench", "clean"} <= set(described)


def test_the_top_level_folders_are_the_fixed_ones() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages <= {"benchmarks", "configs", "deployments", "graph", "lookalike_client", "storage"}

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deployments.extractors.profile import ExtractorProfile
from deployments.extractors.registry import create_extractor, extractor_class, extractor_configs, validate_config
from storage.errors import Misconfigured

ROOT = Path(__file__).resolve().parents[4]


def test_users_may_run_what_is_no_fake() -> None:
    assert tuple(name for name in extractor_configs() if not name.startswith("fake")) == (
        "phash",
        "color",
        "local",
        "global",
        "image_text",
        "text",
    )


@pytest.mark.parametrize("name", ["phash", "color", "fake"])
def test_what_is_said_of_an_extractor_is_what_is_built(name: str) -> None:
    profile, built = ExtractorProfile(name, {}), create_extractor(name)
    assert built.spec.name == name
    assert profile.spec == built.spec
    assert profile.image_input == built.image_input
    assert isinstance(built, extractor_class(name))
    assert set(extractor_configs()) == {"phash", "color", "local", "global", "image_text", "text", "fake", "fake_model"}


def test_abilities_are_told_without_building() -> None:
    assert ExtractorProfile("phash", {}).view_names({}) is not None
    assert ExtractorProfile("color", {}).view_names({}) is None
    assert ExtractorProfile("fake", {"fails": "load"}).embeds_text


def test_an_unknown_extractor_is_refused_with_the_nearest_known() -> None:
    with pytest.raises(Misconfigured, match=r"no extractor 'phahs' \(did you mean 'phash'\?\)"):
        create_extractor("phahs")


def test_an_unknown_setting_is_refused_with_the_nearest_known() -> None:
    with pytest.raises(Misconfigured, match=r"extractors.fake has no setting 'delay' \(did you mean 'delay_s'\?\)"):
        validate_config("fake", {"delay": 1})
    with pytest.raises(Misconfigured, match=r"extractors.phash has no setting 'bits' \(it takes no settings\)"):
        validate_config("phash", {"bits": 64})


def test_a_bad_value_is_refused_with_its_key() -> None:
    with pytest.raises(Misconfigured, match=r"extractors.fake.dim cannot be 'many'"):
        create_extractor("fake", {"dim": "many"})


def test_describing_an_extractor_loads_nothing_heavy() -> None:
    probe = (
        "import sys; from deployments.extractors.profile import ExtractorProfile as Profile;"
        "print(Profile('phash', {}).spec.dim, Profile('color', {}).spec.dim, 'numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["576", "512", "False"]

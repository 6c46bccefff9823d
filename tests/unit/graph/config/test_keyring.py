"""API keys: how they are listed, checked and kept, and the file of them that may change."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from graph.config.api_keys import RIGHTS, ApiKey, hash_of, new_key
from graph.config.keyring import LOOK_INTERVAL_S, Keyring, as_yaml, read_keys
from graph.config.settings import app_settings
from storage.errors import InvalidField, Misconfigured

KEEP = {"name": "camera", "hash": hash_of("a-secret"), "rights": ["write", "read"]}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def write(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(text)
    os.replace(new, file)


def test_a_plain_key_has_all_rights_and_only_its_hash_is_kept() -> None:
    settings = app_settings(
        {"api_keys": ["first-secret", KEEP, "first-secret"]}, {"LOOKALIKE_API_KEYS": "third-secret"}
    )
    assert [(key.name, key.rights) for key in settings.api_keys] == [
        ("key 1", RIGHTS),
        ("camera", ("read", "write")),
        ("key 4", RIGHTS),
    ]
    assert "secret" not in settings.model_dump_json()
    assert app_settings(settings.model_dump(mode="json"), {}) == settings


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rights": ["reed"]}, "unknown right 'reed': did you mean 'read'"),
        ({"rights": []}, "at least 1 item"),
        ({"rights": "read"}, "not a list of rights"),
        ({"rigths": ["read"]}, "unknown key 'rigths' in args.api_keys.0 .did you mean 'rights'"),
        ({"hash": "a-secret"}, "should match pattern"),
        ({"hash": "sha256:" + "G" * 64}, "should match pattern"),
        ({"name": "a\nb"}, "should match pattern"),
        ({"expires_at": "soon"}, "not a day such as 2027-01-31"),
        ({"expires_at": "2027-02-30"}, "not a day such as"),
        ({"requests_per_minute": 0}, "greater than or equal to 1"),
    ],
)
def test_an_object_that_is_wrong_is_refused_without_showing_it(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(Misconfigured, match=message) as caught:
        app_settings({"api_keys": [{**KEEP, **changed}]}, {})
    assert "a-secret" not in str(caught.value)


def test_a_name_and_a_key_are_there_once() -> None:
    with pytest.raises(Misconfigured, match="two keys have the name 'camera'"):
        app_settings({"api_keys": [KEEP, {**KEEP, "hash": hash_of("other")}]}, {})
    with pytest.raises(Misconfigured, match="'camera' and 'phone' are the same key"):
        app_settings({"api_keys": [KEEP, {**KEEP, "name": "phone"}]}, {})


@pytest.mark.parametrize("written", ["2027-01-31", "2027-01-31T00:00Z", "2027-01-31 01:00:00+01:00", "'2027-01-31'"])
def test_a_key_ends_at_midnight_or_at_a_time(written: str) -> None:
    kept = ApiKey.model_validate({**KEEP, **yaml.safe_load(f"expires_at: {written}")})
    assert kept.expires_at == datetime(2027, 1, 31, tzinfo=UTC)


def test_a_new_key_is_long_and_what_is_kept_of_it_is_an_entry_of_the_list(tmp_path: Path) -> None:
    key, kept = new_key("camera", ["write"], "2999-01-01", 60)
    assert len(key) > 40
    assert new_key("camera", ["write"])[0] != key
    (tmp_path / "keys.yaml").write_text(as_yaml(kept))
    assert read_keys(tmp_path / "keys.yaml") == (kept,)
    assert key not in as_yaml(kept)
    assert Keyring((kept,)).find(key.encode()) == kept
    with pytest.raises(InvalidField, match="is past"):
        new_key("camera", ["write"], "2020-01-01")
    with pytest.raises(InvalidField, match="did you mean 'read'"):
        new_key("camera", ["reed"])


def test_keys_of_a_changed_file_count_a_moment_later(tmp_path: Path) -> None:
    file, clock = tmp_path / "keys.yaml", Clock()
    (old, kept), (new, kept_new) = new_key("old", ["read"]), new_key("new", ["read"])
    write(file, as_yaml(kept))
    ring = Keyring((), file, clock)
    write(file, as_yaml(kept_new))
    assert ring.find(new.encode()) is None
    clock.now += LOOK_INTERVAL_S
    assert ring.find(new.encode()) == kept_new
    assert ring.find(old.encode()) is None
    write(file, "[]")
    clock.now += LOOK_INTERVAL_S
    assert ring.find(new.encode()) is None


@pytest.mark.parametrize("broken", ["", "- {name: x", "key: 1", "- a-plain-secret", "gone", "twice"])
def test_a_file_that_becomes_broken_leaves_the_keys_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    file, clock = tmp_path / "keys.yaml", Clock()
    key, kept = new_key("guest", ["read"])
    write(file, as_yaml(kept))
    ring = Keyring((ApiKey.model_validate(KEEP),), file, clock)
    if broken == "gone":
        file.unlink()
    else:
        write(file, as_yaml(ApiKey.model_validate(KEEP)) if broken == "twice" else broken)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            clock.now += LOOK_INTERVAL_S
            assert ring.find(key.encode()) == kept
    assert [record.getMessage().startswith("the keys stay as they were: ") for record in caplog.records] == [True]
    assert str(file) in caplog.text
    assert "a-plain-secret" not in caplog.text
    write(file, as_yaml(kept))
    clock.now += LOOK_INTERVAL_S
    assert ring.find(key.encode()) == kept


def test_a_file_that_cannot_be_used_at_the_start_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    with pytest.raises(Misconfigured, match=r"keys\.yaml: cannot be read: No such file.*a file of API keys"):
        Keyring((), file)
    file.write_text(f"# ours\n{as_yaml(new_key('a', ['read'])[1])}\n- {{name: b, rights: [read], hsh: x}}\n")
    with pytest.raises(Misconfigured, match=r"keys\.yaml:3: unknown key 'hsh' .*did you mean 'hash'"):
        Keyring((), file)


def test_a_file_makes_a_service_that_needs_a_key_even_where_it_has_none(tmp_path: Path) -> None:
    assert app_settings({"api_keys_file": str(tmp_path / "none")}, {}).has_keys
    assert not app_settings({}, {}).has_keys

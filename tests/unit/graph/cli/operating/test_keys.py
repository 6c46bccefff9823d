from __future__ import annotations

from pathlib import Path

import pytest

from graph.config.keyring import Keyring, read_keys
from tests.unit.graph.cli.conftest import Run


def test_a_new_key_is_shown_once_with_what_to_keep_of_it(run: Run, tmp_path: Path) -> None:
    options = ("--rights", "read,write", "--expires", "2999-01-31", "--requests-per-minute", "60")
    result = run(None, "keys", "new", "camera", *options)
    assert (result.exit_code, result.stderr) == (0, "")
    [key] = [line.strip() for line in result.stdout.splitlines() if line.startswith("  lk_")]
    [entry] = [line for line in result.stdout.splitlines() if line.startswith("- {")]
    assert result.stdout.count(key) == 1
    (tmp_path / "keys.yaml").write_text(entry)
    found = Keyring(read_keys(tmp_path / "keys.yaml")).find(key.encode())
    assert found is not None
    assert (found.name, found.rights, found.requests_per_minute) == ("camera", ("read", "write"), 60)
    assert str(found.expires_at) == "2999-01-31 00:00:00+00:00"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--rights", "reed"), "did you mean 'read'?"),
        (("--rights", ""), "rights: "),
        ((), "--rights"),
        (("--rights", "read", "--expires", "soon"), "not a day such as 2027-01-31"),
        (("--rights", "read", "--expires", "2020-01-01"), "2020-01-01 is past"),
        (("--rights", "read", "--requests-per-minute", "0"), "requests_per_minute: "),
    ],
)
def test_what_makes_no_key_is_wrong_usage(run: Run, options: tuple[str, ...], said: str) -> None:
    result = run(None, "keys", "new", "camera", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
